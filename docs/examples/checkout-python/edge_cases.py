"""What a checkout has to get right when not all goes well, one case after the other, each with what Stockade answers."""

from __future__ import annotations

import time
from typing import Callable

import journey
from journey import Cart, must
from shop import UNITS, Shop
from stockade.v1 import order_pb2, reservation_pb2, transaction_pb2
from stockade_client import Client, Refused

# The shortest hold that there is, for those whose payment comes too late.
SHORT_SECONDS = 1
EXPIRY_WAIT_SECONDS = 30.0
EXPIRY_LOOK_SECONDS = 0.05
LAMP_PRICE = 4_900


def show_all(shop: Shop, client: Client, elsewhere: Client) -> None:
    """Every case."""
    sent_twice(shop, client, elsewhere)
    too_much(shop, client)
    late, lamp, left = expired_holds(shop, client)
    paid_late(shop, client, elsewhere, late)
    paid_too_late(shop, client, elsewhere, lamp)
    left_too_long(shop, client, elsewhere, left)
    answer_lost(shop, client)
    never_arrived(shop, client)


def sent_twice(shop: Shop, client: Client, elsewhere: Client) -> None:
    """The same call, the second time to another node: the answer of the first one, and one parcel."""
    cart = shop.cart("twice")
    journey.pay_for(client, cart, shop.payments)
    first = journey.ship(client, cart).header
    again = journey.ship(elsewhere, cart).header
    must(not first.replayed and again.replayed, "the second call is a replay, the first one none")
    must(again.revision == first.revision, "a repeated call had an effect of its own")
    journey.give_back(client, cart)
    shop.sold(cart)
    say(f"sent twice: shipped at revision {first.revision}, replayed={first.replayed}")
    say(f"            shipped at revision {again.revision}, replayed={again.replayed}")


def too_much(shop: Shop, client: Client) -> None:
    """More than there is: the refusal names every line that is short, so that the customer is shown all of them at once."""
    refused = refusal(lambda: journey.hold(client, shop.cart("greedy", mugs=2 * UNITS, plates=3 * UNITS)), "INSUFFICIENT_STOCK")
    must(len(refused.lines()) == 2, "both lines are short")
    must(not refused.fate_unknown, "a refusal leaves nothing open")
    say(f"too much: {refused}")
    for line in refused.lines():
        say(f"            {line}")


def expired_holds(shop: Shop, client: Client) -> tuple[Cart, Cart, Cart]:
    """Two orders and a cart whose time is over: as when the payment service takes longer than the hold."""
    late, lamp, left = shop.cart("late"), shop.cart("lamp"), shop.cart("left")
    lamp.lines = [order_pb2.NewOrderLine(sku_id=shop.lamp, quantity=1, unit_price_minor=LAMP_PRICE)]
    journey.hold(client, left, SHORT_SECONDS)
    for cart in (late, lamp):
        journey.hold(client, cart)
        journey.order(client, cart, SHORT_SECONDS)
    until = time.monotonic() + EXPIRY_WAIT_SECONDS

    def still_held() -> bool:
        orders = [client.call("OrderService.GetOrder", order_pb2.GetOrderRequest(order_id=cart.name)).order for cart in (late, lamp)]
        request = reservation_pb2.GetReservationRequest(reservation_id=left.name)
        cart = client.call("ReservationService.GetReservation", request).reservation
        expired = reservation_pb2.RESERVATION_STATE_EXPIRED
        return cart.state != expired or any(order.state != order_pb2.ORDER_STATE_EXPIRED for order in orders)

    while still_held():
        must(time.monotonic() < until, "holds end when their time is over")
        time.sleep(EXPIRY_LOOK_SECONDS)
    return late, lamp, left


def paid_late(shop: Shop, client: Client, elsewhere: Client, cart: Cart) -> None:
    """The payment came when the hold was over, and the units are still there: with `reacquire` the order gets them after all."""
    payment = shop.payments.take(cart.name, cart.amount())
    refused = refusal(lambda: journey.confirm(client, cart, payment, reacquire=False), "RESERVATION_EXPIRED")
    say(f"paid late: {refused}")
    # A refusal is kept under its request id like an answer: what is asked anew is asked under a new one.
    journey.confirm(client, cart, payment, step="confirm anew")
    shown = journey.thank_you(elsewhere, cart)
    must(shown.state == order_pb2.ORDER_STATE_CONFIRMED, "a reacquired order is paid")
    say("            with reacquire: CONFIRMED")
    journey.ship(client, cart)
    journey.give_back(client, cart)
    shop.sold(cart)


def paid_too_late(shop: Shop, client: Client, elsewhere: Client, cart: Cart) -> None:
    """Somebody else has the units meanwhile: the money goes back. Not before the refusal is there: see `Refused.fate_unknown`."""
    other = shop.cart("other")
    other.lines = cart.lines
    journey.hold(client, other)
    payment = shop.payments.take(cart.name, cart.amount())
    refused = refusal(lambda: journey.confirm(client, cart, payment), "INSUFFICIENT_STOCK")
    must(not refused.fate_unknown, "money goes back once it is sure that the order doesn't get its units")
    shop.payments.give_back(cart.name)
    shop.lost(cart)
    say(f"too late:  {refused}: the money went back")
    # From its first step on: that one was done, and is replayed.
    before = client.replayed
    journey.buy(client, elsewhere, other, shop.payments)
    must(client.replayed == before + 1, "a journey that is begun again replays what was done")
    shop.sold(other)


def left_too_long(shop: Shop, client: Client, elsewhere: Client, cart: Cart) -> None:
    """A cart has no `reacquire`: it is held again, under a new name, for the old one is taken for ever."""
    refused = refusal(lambda: journey.order(client, cart), "RESERVATION_EXPIRED")
    again = shop.cart("left-again")
    journey.buy(client, elsewhere, again, shop.payments)
    shop.sold(again)
    say(f"left long: {refused}: held again, and bought")


def answer_lost(shop: Shop, client: Client) -> None:
    """The checkout died before it had the answer, and the customer is gone: nobody wants to retry, but somebody has to know."""
    cart = shop.cart("gone")
    journey.hold(client, cart)
    found = client.settle(cart.request_id("hold"))
    must(found.state == transaction_pb2.OUTCOME_STATE_DECIDED, "what was done is known")
    done = found.result.create_reservation
    say(f"lost:      the outcome is {found.result.WhichOneof('response')} at revision {found.result.header.revision}: given back")
    must(done.reservation_id == cart.name, "the outcome is that of the request")
    journey.release(client, cart)


def never_arrived(shop: Shop, client: Client) -> None:
    """Nothing was seen of the request so far; once it is abandoned nothing ever will be, though a copy come late."""
    cart = shop.cart("never")
    found = client.settle(cart.request_id("hold"))
    must(found.state == transaction_pb2.OUTCOME_STATE_ABANDONED, "what was not seen is given up")
    refused = refusal(lambda: journey.hold(client, cart), "REQUEST_ABANDONED")
    say(f"never:     abandoned; a late copy: {refused}")


def refusal(call: Callable[[], object], reason: str) -> Refused:
    """The refusal of a call that must be refused, for this reason."""
    try:
        call()
    except Refused as refused:
        must(refused.reason == reason, f"{reason} was to come, and not {refused}")
        return refused
    raise AssertionError(f"{reason} was to come, and the call went through")


def say(text: str) -> None:
    """A line of what happens."""
    print(text, flush=True)
