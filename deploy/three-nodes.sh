#!/bin/sh
# Starts three nodes on this machine and keeps them until Ctrl-C. Their data outlives them, so the next start goes on
# where this one stopped.
#
#   deploy/three-nodes.sh [DIRECTORY]      data and logs; ./stockade-data where none is given
#   STOCKADE=path/to/stockade              the binary, if it is not in the PATH or under target/release
#
# Callers connect to 127.0.0.1:7001, 7002 and 7003; metrics and probes are on 7201, 7202 and 7203.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
directory=${1:-./stockade-data}
if [ -z "${STOCKADE:-}" ]; then
    if [ -x "$here/target/release/stockade" ]; then
        STOCKADE=$here/target/release/stockade
    elif ! STOCKADE=$(command -v stockade); then
        echo "error: no binary: run 'cargo build --release', or set STOCKADE=path/to/stockade" >&2
        exit 1
    fi
fi

mkdir -p "$directory"
pids=
stop() {
    trap - INT TERM EXIT
    # SIGTERM lets each node hand over and finish what it does.
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    wait
}
trap 'stop; exit 130' INT TERM
trap stop EXIT

peers=1=127.0.0.1:7101,2=127.0.0.1:7102,3=127.0.0.1:7103
for id in 1 2 3; do
    # In the background a shell script's children ignore SIGINT; the trap above ends them.
    "$STOCKADE" start --node-id "$id" --cluster-name three-nodes --peers "$peers" --data-dir "$directory/node-$id" \
        --listen-client "127.0.0.1:700$id" --listen-peer "127.0.0.1:710$id" --listen-http "127.0.0.1:720$id" \
        >>"$directory/node-$id.log" 2>&1 &
    pids="$pids $!"
    echo "node $id: process $!, callers 127.0.0.1:700$id, metrics http://127.0.0.1:720$id/metrics"
done

cat <<TEXT

Logs are in $directory. In another terminal:

    $STOCKADE cluster status
    $STOCKADE location create main
    $STOCKADE sku create mug --name 'Blue mug'
    $STOCKADE stock receive mug 100
    $STOCKADE order place --id o1 --line mug:2

Kill one with 'kill -9 PROCESS' and watch the others go on. Ctrl-C stops all three.
TEXT

# One node may end, killed to watch the others; the script ends with the last one, and with the last failure's code.
result=0
for pid in $pids; do
    wait "$pid" || { result=$?; echo "process $pid ended with code $result; its log is in $directory" >&2; }
done
exit "$result"
