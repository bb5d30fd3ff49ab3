# Three nodes on this machine, and a Python that calls them. For scripts that source it, having set `name`: what they are, in words.
#
# Sets `top`, the repository, and `scratch`, a temporary directory that goes at the end; and so do the nodes. STOCKADE names another
# binary than target/release or target/debug have.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
# Process ids of the nodes that run, by node id. Another process that must not outlive the script goes to 0.
running=()
# Of the nodes that were started, by node id - 1: what callers, and what scripts, connect to.
addresses=()
peers=
# Callers' generated modules must not be left in the source tree.
export PYTHONDONTWRITEBYTECODE=1

clean_up() {
    local code=$? pid log
    for pid in "${running[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${running[@]}"; do
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

# Sets `python` to one that can import the modules named first, separated by commas. Where python3 can't, it is one with the packages named
# after them, in a directory that goes at the end. Says that the script is skipped, and ends it, where neither can be had.
find_python() {
    local modules=$1
    shift
    if ! command -v python3 >/dev/null; then
        echo "skipped: $name (no python3)"
        exit 0
    fi
    python=python3
    python3 -c "import ${modules//,/, }" 2>/dev/null && return
    if ! { python3 -m venv "$scratch/venv" && "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; } \
        >"$scratch/pip.log" 2>&1; then
        echo "skipped: $name (its packages can't be installed: $(tail -n 1 "$scratch/pip.log"))"
        exit 0
    fi
    python=$scratch/venv/bin/python
}

# Three nodes on free ports, of the cluster `$1`.
start_nodes() {
    local candidate id
    cluster_name=$1
    binary=${STOCKADE:-}
    for candidate in "$top/target/release/stockade" "$top/target/debug/stockade"; do
        if [[ -z $binary && -x $candidate ]]; then
            binary=$candidate
        fi
    done
    if [[ -z $binary ]]; then
        echo "no binary: run cargo build --release first, or name one in STOCKADE" >&2
        exit 1
    fi
    # All held open at once, so that no two are the same.
    read -ra ports < <(python3 -c '
import socket
held = [socket.socket() for _ in range(9)]
[one.bind(("127.0.0.1", 0)) for one in held]
print(*[one.getsockname()[1] for one in held])')
    peers="1=127.0.0.1:${ports[0]},2=127.0.0.1:${ports[1]},3=127.0.0.1:${ports[2]}"
    addresses=("127.0.0.1:${ports[3]}" "127.0.0.1:${ports[4]}" "127.0.0.1:${ports[5]}")
    for id in 1 2 3; do
        start_node "$id"
    done
}

# One of them, for the first time or again.
start_node() {
    local id=$1
    "$binary" start --node-id "$id" --cluster-name "$cluster_name" --data-dir "$scratch/node-$id" --peers "$peers" \
        --listen-peer "127.0.0.1:${ports[id - 1]}" --listen-client "${addresses[id - 1]}" \
        --listen-http "127.0.0.1:${ports[id + 5]}" >>"$scratch/node-$id.log" 2>&1 &
    running[id]=$!
}

# Ends one of them as a power cut would end its process: without a word.
kill_node() {
    local id=$1
    kill -KILL "${running[id]}"
    wait "${running[id]}" 2>/dev/null || true
    unset "running[$id]"
}
