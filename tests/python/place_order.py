"""Places an order against a follower, and reads it back from another node.

Needs grpcio and grpcio-tools, and the project's .proto files; nothing of the product's own code. Prints one line of
JSON. Exits 1 where the cluster doesn't keep its promise.

    python3 place_order.py 127.0.0.1:7001
"""

import argparse
import importlib
import json
import pathlib
import secrets
import sys
import tempfile
import time
import uuid

import grpc
import grpc_tools
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
CALL_SECONDS = 10


def generate(directory):
    """Makes Python modules of the .proto files in a directory, and makes them importable."""
    files = sorted(str(file.relative_to(PROTO)) for file in PROTO.glob("stockade/v1/*.proto"))
    files += sorted(str(file.relative_to(PROTO)) for file in PROTO.glob("google/rpc/*.proto"))
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={directory}", f"--grpc_python_out={directory}"]
    if protoc.main(arguments + files) != 0:
        sys.exit("the .proto files don't compile")
    sys.path.insert(0, directory)


def request_id():
    """A new UUID of version 7 (RFC 9562): 48 bits of milliseconds, then version, variant and randomness."""
    bits = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    bits &= ~(0xF << 76) & ~(0x3 << 62)
    return str(uuid.UUID(int=bits | 0x7 << 76 | 0x2 << 62))


def find_nodes(stub, cluster, seconds):
    """The addresses of a follower and of another node, once the cluster has a leader and all have answered."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            nodes = stub.GetStatus(cluster.GetStatusRequest(), timeout=CALL_SECONDS).nodes
            up = [node for node in nodes if node.reachable and node.client_address]
            followers = [node for node in up if node.role == cluster.NODE_ROLE_FOLLOWER and node.leader_id]
            leaders = [node for node in up if node.role == cluster.NODE_ROLE_LEADER]
            if leaders and len(followers) >= 2:
                return followers[0], followers[1], leaders[0]
            problem = f"{len(leaders)} leaders and {len(followers)} followers answer"
        except grpc.RpcError as error:
            problem = error.details()
        if time.monotonic() > deadline:
            sys.exit(f"no cluster after {seconds} s: {problem}")
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", help="any node's client address, HOST:PORT")
    parser.add_argument("--wait", type=float, default=30, help="seconds to wait for a cluster with a leader")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="stockade-python-") as directory:
        generate(directory)
        load = lambda name: importlib.import_module(f"stockade.v1.{name}")
        cluster, catalog, stock, order = map(load, ["cluster_pb2", "catalog_pb2", "stock_pb2", "order_pb2"])
        services = {name: load(f"{name}_pb2_grpc") for name in ["cluster", "catalog", "stock", "order"]}

    first = grpc.insecure_channel(options.address)
    status = services["cluster"].ClusterServiceStub(first)
    follower, other, leader = find_nodes(status, cluster, options.wait)
    channel = grpc.insecure_channel(follower.client_address)
    mark = secrets.token_hex(4)
    sku, shop, name = f"python-{mark}", "shop", f"python-order-{mark}"

    catalogue = services["catalog"].CatalogServiceStub(channel)
    try:
        catalogue.CreateLocation(
            catalog.CreateLocationRequest(request_id=request_id(), location=catalog.Location(location_id=shop)),
            timeout=CALL_SECONDS,
        )
    except grpc.RpcError as error:
        # An earlier run made it.
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
    catalogue.CreateSku(
        catalog.CreateSkuRequest(request_id=request_id(), sku=catalog.Sku(sku_id=sku, display_name="From Python")),
        timeout=CALL_SECONDS,
    )
    services["stock"].StockServiceStub(channel).ReceiveStock(
        stock.ReceiveStockRequest(request_id=request_id(), sku_id=sku, location_id=shop, quantity=10),
        timeout=CALL_SECONDS,
    )
    place = order.PlaceOrderRequest(
        request_id=request_id(),
        order_id=name,
        currency_code="EUR",
        lines=[order.NewOrderLine(sku_id=sku, quantity=3, unit_price_minor=1_250)],
    )
    orders = services["order"].OrderServiceStub(channel)
    placed = orders.PlaceOrder(place, timeout=CALL_SECONDS)
    # The same request again: the kept outcome, and no second effect.
    again = orders.PlaceOrder(place, timeout=CALL_SECONDS)

    elsewhere = grpc.insecure_channel(other.client_address)
    read = services["order"].OrderServiceStub(elsewhere).GetOrder(order.GetOrderRequest(order_id=name), timeout=CALL_SECONDS)
    left = services["stock"].StockServiceStub(elsewhere).GetStock(
        stock.GetStockRequest(sku_id=sku, location_id=shop), timeout=CALL_SECONDS
    )

    checks = {
        "answered_by_follower": placed.header.node_id == follower.node_id != leader.node_id,
        "read_from_another_node": read.header.node_id == other.node_id,
        "order_is_there": read.order.order_id == name and read.order.revision == placed.header.revision,
        "units_are_held": (left.stock.available, left.stock.reserved) == (7, 3),
        "repeat_is_replayed": again.header.replayed and again.header.revision == placed.header.revision,
    }
    result = {
        "order_id": name,
        "state": order.OrderState.Name(read.order.state),
        "placed_at_node": placed.header.node_id,
        "read_from_node": read.header.node_id,
        "leader_node": leader.node_id,
        "revision": placed.header.revision,
        **checks,
    }
    print(json.dumps(result))
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
