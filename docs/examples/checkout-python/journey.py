"""The way of a customer through a checkout, step by step: a cart's hold, an order, its payment, a parcel, a return.

Each step is one call, and can be made again with the same cart: after a time out, on another node, by a checkout that was restarted. It
books once; an hour later it is refused.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration

from stockade.v1 import common_pb2, order_pb2, reservation_pb2
from stockade_client import Client, new_request_id

# Long enough to fill a cart, and then to pay: whoever goes away keeps the units from others for so long.
CART_SECONDS = 20 * 60
PAYMENT_SECONDS = 15 * 60
# How long the stand-in for the payment service takes.
PAYMENT_TAKES_SECONDS = (0.01, 0.05)


def must(holds: bool, what: str) -> None:
    """Ends the run where a promise was broken."""
    if not holds:
        raise AssertionError(what)


@dataclass
class Cart:
    """What a checkout keeps of a customer. A real one keeps it in its own database, and writes it BEFORE each first try: if it dies
    in the middle, it goes on with the same ids and books nothing twice."""

    # Of the reservation, the order, its parcel and its return. Stockade takes such a name once, for ever: also long after it has
    # forgotten the request ids.
    name: str
    lines: list[order_pb2.NewOrderLine]
    # By step.
    request_ids: dict[str, str] = field(default_factory=dict)
    # The newest revision that this customer was told of.
    seen: int = 0

    def request_id(self, step: str) -> str:
        """One id for all tries of a step, made when the step is decided upon. Not sooner: ids that are an hour old are refused."""
        return self.request_ids.setdefault(step, new_request_id())

    def was_told(self, revision: int) -> None:
        """Takes note of an answer. A replayed one is older than what was told since."""
        self.seen = max(self.seen, revision)

    def amount(self) -> int:
        """What the customer owes, in cents."""
        return sum(line.quantity * line.unit_price_minor for line in self.lines)


class Payments:
    """Stands in for the payment service: it takes its time, and takes an order's money once however often it is asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken: dict[str, int] = {}

    def take(self, order: str, cents: int) -> str:
        """The customer's money, under the order's id. Returns the reference of the payment."""
        time.sleep(random.uniform(*PAYMENT_TAKES_SECONDS))
        with self._lock:
            self.taken[order] = cents
        return f"payment-{order}"

    def give_back(self, order: str) -> None:
        """All of it."""
        with self._lock:
            del self.taken[order]


def hold(client: Client, cart: Cart, seconds: int = CART_SECONDS) -> None:
    """The cart: from here on nobody else gets the units."""
    answer = client.call(
        "ReservationService.CreateReservation",
        reservation_pb2.CreateReservationRequest(
            request_id=cart.request_id("hold"),
            reservation_id=cart.name,
            currency_code="EUR",
            lines=cart.lines,
            hold_duration=Duration(seconds=seconds),
        ),
    )
    cart.was_told(answer.header.revision)


def order(client: Client, cart: Cart, seconds: int = PAYMENT_SECONDS) -> None:
    """The customer presses "buy". The order is there before any money moves, so that no money is without an order; it takes the
    cart's units in one step, so that nobody can get them in between."""
    answer = client.call(
        "ReservationService.CommitReservation",
        reservation_pb2.CommitReservationRequest(
            request_id=cart.request_id("order"),
            reservation_id=cart.name,
            order_id=cart.name,
            hold_duration=Duration(seconds=seconds),
        ),
    )
    cart.was_told(answer.header.revision)


def confirm(client: Client, cart: Cart, payment: str, step: str = "confirm", reacquire: bool = True) -> None:
    """The money is here. With `reacquire` it may be late: the units are taken anew if they are still there."""
    answer = client.call(
        "OrderService.ConfirmOrder",
        order_pb2.ConfirmOrderRequest(
            request_id=cart.request_id(step), order_id=cart.name, payment_reference=payment, reacquire=reacquire
        ),
    )
    cart.was_told(answer.header.revision)


def ship(client: Client, cart: Cart) -> order_pb2.ShipOrderResponse:
    """All of it in one parcel. Its number is booked once, for ever: a warehouse that scans it again tomorrow ships nothing."""
    request = order_pb2.ShipOrderRequest(
        request_id=cart.request_id("ship"), order_id=cart.name, document_id=f"parcel-{cart.name}"
    )
    answer = client.call("OrderService.ShipOrder", request)
    cart.was_told(answer.header.revision)
    return answer


def give_back(client: Client, cart: Cart) -> None:
    """One unit of the first line comes back, and into stock."""
    answer = client.call(
        "OrderService.ReturnOrder",
        order_pb2.ReturnOrderRequest(
            request_id=cart.request_id("return"),
            order_id=cart.name,
            lines=[order_pb2.ReturnLine(line=1, quantity=1, disposition=order_pb2.DISPOSITION_RESTOCK)],
            document_id=f"return-{cart.name}",
        ),
    )
    cart.was_told(answer.header.revision)


def release(client: Client, cart: Cart) -> None:
    """The customer empties the cart: others can have the units now, and not only when the time is over."""
    answer = client.call(
        "ReservationService.ReleaseReservation",
        reservation_pb2.ReleaseReservationRequest(request_id=cart.request_id("release"), reservation_id=cart.name),
    )
    cart.was_told(answer.header.revision)


def thank_you(page: Client, cart: Cart) -> order_pb2.Order:
    """The page after the purchase, served by whichever node: it sees this customer's own order there, and asks no leader for it."""
    own = common_pb2.ReadOptions(consistency=common_pb2.CONSISTENCY_AT_LEAST, min_revision=cart.seen)
    answer = page.call("OrderService.GetOrder", order_pb2.GetOrderRequest(order_id=cart.name, read=own))
    must(answer.header.served_revision >= cart.seen, f"{cart.name} was read from before what the customer was told")
    # What else this node knew is not taken back on the next page.
    cart.was_told(answer.header.served_revision)
    return answer.order


def pay_for(client: Client, cart: Cart, payments: Payments) -> None:
    """The journey up to the payment."""
    hold(client, cart)
    order(client, cart)
    confirm(client, cart, payments.take(cart.name, cart.amount()))


def buy(client: Client, page: Client, cart: Cart, payments: Payments) -> None:
    """The whole journey. `page` asks another node than `client`."""
    pay_for(client, cart, payments)
    shown = thank_you(page, cart)
    must(shown.state == order_pb2.ORDER_STATE_CONFIRMED, f"{cart.name} was paid, and is in state {shown.state}")
    ship(client, cart)
    give_back(client, cart)
