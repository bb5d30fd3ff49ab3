"""The goods and the orders of one run, under names of their own: a cluster that is there has others."""

from __future__ import annotations

import secrets
import threading

from journey import Cart, Payments
from stockade.v1 import catalog_pb2, order_pb2, stock_pb2
from stockade_client import Client, Refused, new_request_id

LOCATION = "checkout-example"
UNITS = 1_000_000
LAMPS = 1
MUG_PRICE, PLATE_PRICE = 1_250, 900


class Shop:
    """What is sold, to whom, and for what money."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(3)
        self.mug, self.plate, self.lamp = (f"{kind}-{self.mark}" for kind in ("mug", "plate", "lamp"))
        self.received = {self.mug: UNITS, self.plate: UNITS, self.lamp: LAMPS}
        self.payments = Payments()
        self._lock = threading.Lock()
        self.sold_carts: list[Cart] = []
        self.lost_carts: list[Cart] = []

    def cart(self, name: str, mugs: int = 2, plates: int = 1) -> Cart:
        """A cart with mugs and plates in it."""
        lines = [(self.mug, mugs, MUG_PRICE), (self.plate, plates, PLATE_PRICE)]
        order_lines = [order_pb2.NewOrderLine(sku_id=sku, quantity=units, unit_price_minor=price) for sku, units, price in lines]
        return Cart(f"{name}-{self.mark}", order_lines)

    def sold(self, cart: Cart) -> int:
        """Takes note of an order that was paid, shipped, and given back in part. Says how many there are."""
        with self._lock:
            self.sold_carts.append(cart)
            return len(self.sold_carts)

    def lost(self, cart: Cart) -> None:
        """Takes note of an order that came to nothing."""
        with self._lock:
            self.lost_carts.append(cart)

    def open(self, client: Client) -> None:
        """Goods come in."""
        place = catalog_pb2.Location(location_id=LOCATION)
        try:
            client.call(
                "CatalogService.CreateLocation",
                catalog_pb2.CreateLocationRequest(request_id=new_request_id(), location=place),
            )
        except Refused as refused:
            # An earlier run made it.
            if refused.reason != "ALREADY_EXISTS":
                raise
        for sku, units in self.received.items():
            create = catalog_pb2.CreateSkuRequest(request_id=new_request_id(), sku=catalog_pb2.Sku(sku_id=sku))
            client.call("CatalogService.CreateSku", create)
            # The delivery note's number, with which it is booked once even by somebody who lost the request id.
            receive = stock_pb2.ReceiveStockRequest(
                request_id=new_request_id(), sku_id=sku, location_id=LOCATION, quantity=units, document_id=f"delivery-{sku}"
            )
            client.call("StockService.ReceiveStock", receive)
