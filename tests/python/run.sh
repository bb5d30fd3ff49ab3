#!/usr/bin/env bash
# Starts three nodes and lets a Python program place an order against a follower.
#
#     tests/python/run.sh            starts its own three nodes from target/release or target/debug
#     tests/python/run.sh ADDRESS    uses the cluster that has a node at this client address
#
# STOCKADE names another binary. Without Python or grpcio it says so and is skipped.
set -euo pipefail
name="python follower example"
source "$(dirname "$0")/cluster.sh"

find_python grpc,grpc_tools grpcio grpcio-tools
address=${1:-}
if [[ -z $address ]]; then
    start_nodes python-example
    address=${addresses[0]}
fi
"$python" "$top/tests/python/place_order.py" "$address"
