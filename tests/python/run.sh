#!/usr/bin/env bash
# Starts three nodes and lets a Python program place an order against a follower.
#
#     tests/python/run.sh            starts its own three nodes from target/release or target/debug
#     tests/python/run.sh ADDRESS    uses the cluster that has a node at this client address
#
# STOCKADE names another binary. Without Python or grpcio it says so and is skipped. Everything it makes is in one temporary
# directory, which goes at the end, and so do the nodes.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
name="python follower example"

scratch=$(mktemp -d)
nodes=()
clean_up() {
    local code=$?
    for pid in "${nodes[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${nodes[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    if [[ $code -ne 0 ]]; then
        for log in "$scratch"/node-*.log; do
            [[ -e $log ]] && echo "--- $(basename "$log")" && tail -n 20 "$log"
        done >&2
    fi
    rm -rf "$scratch"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

if ! command -v python3 >/dev/null; then
    echo "skipped: $name (no python3)"
    exit 0
fi
python=python3
if ! python3 -c 'import grpc, grpc_tools' 2>/dev/null; then
    if ! { python3 -m venv "$scratch/venv" && "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check grpcio grpcio-tools; } \
        >"$scratch/pip.log" 2>&1; then
        echo "skipped: $name (grpcio and grpcio-tools can't be installed: $(tail -n 1 "$scratch/pip.log"))"
        exit 0
    fi
    python=$scratch/venv/bin/python
fi

# Three nodes on free ports; sets `address` to the client address of one.
start_nodes() {
    local binary=${STOCKADE:-} candidate
    for candidate in "$top/target/release/stockade" "$top/target/debug/stockade"; do
        if [[ -z $binary && -x $candidate ]]; then
            binary=$candidate
        fi
    done
    if [[ -z $binary ]]; then
        echo "no binary: run cargo build --release first, or name one in STOCKADE" >&2
        exit 1
    fi
    local ports peers id
    # All held open at once, so that no two are the same.
    read -ra ports < <(python3 -c '
import socket
held = [socket.socket() for _ in range(9)]
[one.bind(("127.0.0.1", 0)) for one in held]
print(*[one.getsockname()[1] for one in held])')
    peers="1=127.0.0.1:${ports[0]},2=127.0.0.1:${ports[1]},3=127.0.0.1:${ports[2]}"
    for id in 1 2 3; do
        "$binary" start --node-id "$id" --cluster-name python-example --data-dir "$scratch/node-$id" --peers "$peers" \
            --listen-peer "127.0.0.1:${ports[id - 1]}" --listen-client "127.0.0.1:${ports[id + 2]}" \
            --listen-http "127.0.0.1:${ports[id + 5]}" >"$scratch/node-$id.log" 2>&1 &
        nodes+=("$!")
    done
    address="127.0.0.1:${ports[3]}"
}

address=${1:-}
if [[ -z $address ]]; then
    start_nodes
fi
PYTHONDONTWRITEBYTECODE=1 "$python" "$top/tests/python/place_order.py" "$address"
