"""Compares the state of nodes, once all have applied the same log: prints its hash, and exits 1 where two differ.

Needs the modules that protoc makes of the .proto files on the path.

    python3 same_state.py 127.0.0.1:7001 127.0.0.1:7002 127.0.0.1:7003
"""

import sys
import time

import grpc

from stockade.v1 import maintenance_pb2, maintenance_pb2_grpc

CALL_SECONDS = 10
WAIT_SECONDS = 60
LOOK_AGAIN_SECONDS = 0.1


def main(addresses: "list[str]") -> int:
    stubs = [maintenance_pb2_grpc.MaintenanceServiceStub(grpc.insecure_channel(address)) for address in addresses]
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            # A node that was started again may still be reading its state: it is waited for.
            request = maintenance_pb2.StateHashRequest(full=True)
            told = [stub.StateHash(request, timeout=CALL_SECONDS, wait_for_ready=True) for stub in stubs]
            indexes = {answer.applied_index for answer in told}
            if len(indexes) == 1:
                break
            problem = f"applied indexes are {sorted(indexes)}"
        except grpc.RpcError as error:
            problem = error.details()
        if time.monotonic() > deadline:
            print(f"the nodes don't come to the same log index in {WAIT_SECONDS} s: {problem}")
            return 1
        time.sleep(LOOK_AGAIN_SECONDS)

    hashes = {(answer.state_hash.hex(), answer.chain_hash.hex()) for answer in told}
    if len(hashes) != 1:
        print(f"at log index {indexes.pop()} the states of {', '.join(addresses)} differ: {sorted(hashes)}")
        return 1
    print(f"all {len(told)} nodes hold the same state: log index {indexes.pop()}, {told[0].rows} rows, hash {told[0].state_hash.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
