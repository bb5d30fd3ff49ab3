"""A checkout that outlives a node: edge cases one by one, then a rush of customers at once, and the books at the end.

Prints what happens; the last line is JSON. Exits 1 where a promise was broken or the books don't add up. See README.md.

    python3 checkout.py 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import edge_cases
import journey
from books import Books
from shop import Shop
from stockade_client import Client, Node

# How often a rush says how far it is.
REPORTS = 8


def rush(shop: Shop, nodes: list[Node], customers: int, orders: int) -> list[Client]:
    """Customers who buy at the same time, each with nodes of its own choice to begin with. Calls are under way at any moment, so
    some are when a node dies."""
    # Where customers are told that somebody's order has shipped.
    every = max(1, customers * orders // REPORTS)
    before = len(shop.sold_carts)

    def customer(number: int) -> list[Client]:
        client, page = Client(nodes, first=number), Client(nodes, first=number + 1)
        for turn in range(orders):
            cart = shop.cart(f"customer-{number}-{turn}")
            journey.buy(client, page, cart, shop.payments)
            done = shop.sold(cart) - before
            if done % every == 0:
                print(f"rush: {done} of {customers * orders} orders", flush=True)
        return [client, page]

    with ThreadPoolExecutor(max_workers=customers) as pool:
        return [client for clients in pool.map(customer, range(customers)) for client in clients]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("addresses", help="client addresses of all nodes, HOST:PORT,HOST:PORT,HOST:PORT")
    parser.add_argument("--customers", type=int, default=8, help="how many buy at the same time")
    parser.add_argument("--orders", type=int, default=40, help="how many orders each of them places")
    options = parser.parse_args()

    nodes = [Node(address) for address in options.addresses.split(",")]
    client, elsewhere = Client(nodes), Client(nodes, first=1)
    shop = Shop()
    shop.open(client)
    edge_cases.show_all(shop, client, elsewhere)

    began = time.monotonic()
    customers = rush(shop, nodes, options.customers, options.orders)
    seconds = time.monotonic() - began
    retried = sum((customer.retried for customer in customers), Counter())
    longest = max(customer.longest_seconds for customer in customers)

    books = Books(shop)
    books.read(client)
    books.check([Client(nodes, first=number) for number in range(len(nodes))])
    books.show()
    for wrong in books.wrong:
        print(f"wrong: {wrong}")
    result = {
        "orders": len(shop.sold_carts),
        "rush_seconds": round(seconds, 2),
        "retried": dict(retried),
        "replayed": sum(customer.replayed for customer in customers),
        "longest_call_ms": round(longest * 1000),
        "books_add_up": not books.wrong,
    }
    print(json.dumps(result), flush=True)
    return 0 if not books.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
