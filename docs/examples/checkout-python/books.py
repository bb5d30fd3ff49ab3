"""The books at the end: stock, ledger, orders and money, each counted by itself, must come to the same."""

from __future__ import annotations

from collections import Counter

from shop import LOCATION, Shop
from stockade.v1 import ledger_pb2, order_pb2, stock_pb2
from stockade_client import Client

PAGE = 500
ORDERS_A_CALL = 100
BUCKETS = {
    stock_pb2.BUCKET_AVAILABLE: "available",
    stock_pb2.BUCKET_RESERVED: "reserved",
    stock_pb2.BUCKET_COMMITTED: "committed",
}

OF_ORDERS = (stock_pb2.REASON_COMMIT, stock_pb2.REASON_SHIPMENT, stock_pb2.REASON_RETURNED)


class Books:
    """What was read, and what doesn't add up."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.wrong: list[str] = []
        # By SKU.
        self.stock: dict[str, stock_pb2.Stock] = {}
        self.entries: dict[str, list[ledger_pb2.LedgerEntry]] = {}
        # By order.
        self.orders: dict[str, order_pb2.Order] = {}

    def read(self, client: Client) -> None:
        """Reads all of it. Linearizable, because nothing else is asked for: it sees every write that anybody was told of."""
        for sku in self.shop.received:
            self.stock[sku] = stock_row(client, sku)
            self.entries[sku] = ledger(client, sku)
        names = [cart.name for cart in self.shop.sold_carts + self.shop.lost_carts]
        for at in range(0, len(names), ORDERS_A_CALL):
            request = order_pb2.BatchGetOrdersRequest(order_ids=names[at : at + ORDERS_A_CALL])
            for order in client.call("OrderService.BatchGetOrders", request).orders:
                self.orders[order.order_id] = order

    def check(self, clients: list[Client]) -> None:
        """Compares everything with everything, and what each of these clients' nodes answers."""
        for sku, row in self.stock.items():
            self._check_sku(sku, row)
            for client in clients:
                self._same(f"{sku}: another node's stock", stock_row(client, sku), row)
        movements: Counter[tuple[str, str, int]] = Counter()
        for entry in self._all():
            movements[entry.order_id, entry.sku_id, entry.reason] += entry.quantity
        for order in self.orders.values():
            self._check_order(order, movements)
        self._same("orders that were lost", self._lost(), 0)

    def show(self) -> None:
        """The stock, and the ledger of the order that was sent twice."""
        print("stock:      received    shipped   returned    on hand  available   reserved  committed")
        for sku, row in self.stock.items():
            moved = [self._moved(sku, reason) for reason in (stock_pb2.REASON_SHIPMENT, stock_pb2.REASON_RETURNED)]
            columns = [self.shop.received[sku], *moved, row.on_hand, row.available, row.reserved, row.committed]
            print(f"{sku:<12}" + "".join(f"{column:>8}   " for column in columns).rstrip())
        first = self.shop.sold_carts[0].name
        print(f"ledger of {first}:")
        for entry in sorted((entry for entry in self._all() if first in (entry.order_id, entry.reservation_id)), key=place):
            came, went = (bucket(number) for number in (entry.from_bucket, entry.to_bucket))
            reason = stock_pb2.Reason.Name(entry.reason)[len("REASON_") :]
            print(f"{entry.revision:>6}.{entry.position} {entry.sku_id:<12} {entry.quantity} {came:>9} -> {went:<9} {reason}")

    def _check_sku(self, sku: str, row: stock_pb2.Stock) -> None:
        sums: Counter[int] = Counter()
        for entry in self.entries[sku]:
            sums[entry.from_bucket] -= entry.quantity
            sums[entry.to_bucket] += entry.quantity
        for number, name in BUCKETS.items():
            self._same(f"{sku}: {name}, and the sum of the ledger", getattr(row, name), sums[number])
        left = self.shop.received[sku] - self._moved(sku, stock_pb2.REASON_SHIPMENT) + self._moved(sku, stock_pb2.REASON_RETURNED)
        self._same(f"{sku}: on hand, and what was received, shipped and returned", row.on_hand, left)
        # Every order has shipped or come to nothing, every cart was bought or its time is over.
        self._same(f"{sku}: held or owed at the end", row.reserved + row.committed, 0)

    def _check_order(self, order: order_pb2.Order, movements: Counter[tuple[str, str, int]]) -> None:
        for line in order.lines:
            moved = {reason: movements[order.order_id, line.sku_id, reason] for reason in OF_ORDERS}
            name = f"{order.order_id} {line.sku_id}"
            self._same(f"{name}: paid for", moved[stock_pb2.REASON_COMMIT], line.allocated)
            self._same(f"{name}: shipped", moved[stock_pb2.REASON_SHIPMENT], line.shipped)
            self._same(f"{name}: returned", moved[stock_pb2.REASON_RETURNED], line.returned)
        paid = sum(line.allocated * line.unit_price_minor for line in order.lines)
        self._same(f"{order.order_id}: money taken", self.shop.payments.taken.get(order.order_id, 0), paid)

    def _lost(self) -> int:
        """Orders that the customers were told of, and that did not ship whole once and come back by one unit."""
        wanted = {cart.name: sum(line.quantity for line in cart.lines) for cart in self.shop.sold_carts}
        return sum(
            name not in self.orders
            or sum(line.shipped for line in self.orders[name].lines) != units
            or sum(line.returned for line in self.orders[name].lines) != 1
            for name, units in wanted.items()
        )

    def _all(self) -> list[ledger_pb2.LedgerEntry]:
        return [entry for entries in self.entries.values() for entry in entries]

    def _moved(self, sku: str, reason: int) -> int:
        return sum(entry.quantity for entry in self.entries[sku] if entry.reason == reason)

    def _same(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{what}: {found}, expected {expected}")


def stock_row(client: Client, sku: str) -> stock_pb2.Stock:
    """The stock of a SKU now."""
    return client.call("StockService.GetStock", stock_pb2.GetStockRequest(sku_id=sku, location_id=LOCATION)).stock


def ledger(client: Client, sku: str) -> list[ledger_pb2.LedgerEntry]:
    """Every movement of a SKU, page by page. A page may hold fewer than asked for: only an empty token ends the list."""
    entries: list[ledger_pb2.LedgerEntry] = []
    token = ""
    while True:
        request = ledger_pb2.ListLedgerEntriesRequest(page_size=PAGE, page_token=token, sku_id=sku)
        answer = client.call("LedgerService.ListLedgerEntries", request)
        entries.extend(answer.entries)
        token = answer.next_page_token
        if not token:
            return entries


def place(entry: ledger_pb2.LedgerEntry) -> tuple[int, int]:
    """Where an entry stands in the ledger."""
    return entry.revision, entry.position


def bucket(number: stock_pb2.Bucket) -> str:
    """A bucket in words."""
    return BUCKETS.get(number, "outside")
