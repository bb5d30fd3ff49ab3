#!/usr/bin/env bash
# Runs the checkout. Against three nodes of its own it kills the leader in the middle, starts it again, and compares all nodes at the end.
#
#     run.sh                        starts its own three nodes from target/release or target/debug
#     run.sh HOST:PORT,HOST:PORT    uses the cluster whose nodes have these client addresses; nothing is killed there
#
# STOCKADE names another binary. Without Python 3.9 or grpcio it says so and is skipped.
set -euo pipefail
name="python checkout example"
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../../../tests/python/cluster.sh"

# Of the eight times that the rush says how far it is: when the leader is killed, and when it is started again.
kill_at=2
restart_at=5

find_python grpc,grpc_tools.protoc,google.rpc.error_details_pb2 --requirement "$here/requirements.txt"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))'; then
    echo "skipped: $name ($("$python" --version) is older than 3.9)"
    exit 0
fi

# google/rpc is not made here: the modules of googleapis-common-protos have it, and the details of errors beside it.
stubs=$scratch/stubs
mkdir "$stubs"
(cd "$top/proto" && "$python" -m grpc_tools.protoc -I . --python_out="$stubs" --grpc_python_out="$stubs" stockade/v1/*.proto)
export PYTHONPATH=$stubs:$here
"$python" "$top/tests/python/test_stockade_client.py"

if [[ $# -gt 0 ]]; then
    "$python" "$here/checkout.py" "$1"
    exit
fi

start_nodes python-checkout
all=$(IFS=, && echo "${addresses[*]}")

# Line by line, so that what happens to the nodes stands where it happened. The checkout goes on meanwhile.
mkfifo "$scratch/said"
"$python" "$here/checkout.py" "$all" >"$scratch/said" &
running[0]=$!
reports=0
killed=0
while IFS= read -r line; do
    printf '%s\n' "$line"
    last=$line
    [[ $line == rush:* ]] || continue
    reports=$((reports + 1))
    if [[ $reports -eq $kill_at ]]; then
        killed=$("$binary" cluster status --cluster "$all" --output json | "$python" -c '
import json, sys
leaders = [node for node in json.load(sys.stdin)["nodes"] if node["role"] == "LEADER"]
print(max(leaders, key=lambda node: node["term"])["node_id"])')
        kill_node "$killed"
        echo "      node $killed led, and was killed with SIGKILL"
    elif [[ $reports -eq $restart_at ]]; then
        start_node "$killed"
        echo "      node $killed was started again"
    fi
done <"$scratch/said"
wait "${running[0]}"
unset "running[0]"

if [[ $killed -eq 0 || $last != *'"retried": {"'* ]]; then
    echo "no call met the dead leader: nothing was shown" >&2
    exit 1
fi
for id in 1 2 3; do
    "$binary" ledger verify --cluster "$all" --node "$id" >"$scratch/ledger.log" 2>&1 || { cat "$scratch/ledger.log" >&2 && exit 1; }
done
echo "the ledger of every node is as it was written"
"$python" "$top/tests/python/same_state.py" "${addresses[@]}"
