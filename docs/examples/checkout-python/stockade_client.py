"""A small client of Stockade: a channel for each node, retries that book once, refusals as programs read them.

Needs the modules that protoc makes of the .proto files on the path; nothing of the product's own code.
"""

from __future__ import annotations

import importlib
import random
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from stockade.v1 import transaction_pb2

# One try. Longer than an election takes (well under a second), so that a node that waits for a new leader can still answer; short
# enough that another node is asked while the customer waits when a node goes without a word.
TRY_SECONDS = 2.0
# All tries of a call together. Somebody waits for the answer: without this bound it would be for ever while the cluster is down.
CALL_SECONDS = 20.0
# Pauses between tries double from the first to the longest.
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0

# Reasons of which docs/reference/errors.md says that the same call, with the same request id, can end otherwise. A status code alone
# doesn't tell: ABORTED is mostly "read it and decide anew", and RESOURCE_EXHAUSTED comes from full disks and from busy leaders.
RETRIED_REASONS = {
    "NO_LEADER", "SHUTTING_DOWN", "NODE_REMOVED", "STORAGE_FULL", "OVERLOADED", "DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN", "INTERNAL",
    "REVISION_AHEAD", "MEMBERSHIP_CHANGING",
}  # fmt: skip
# Where there is no reason the failure is not Stockade's: it is a connection that was refused, or that ended with the node's process.
RETRIED_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}

CHANNEL_OPTIONS = [
    # Without this a channel to a node that was down is left alone for up to two minutes after the node is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Nodes are reached directly, whatever the environment says of a proxy for the web.
    ("grpc.enable_http_proxy", 0),
]


def new_request_id() -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then version, variant and randomness."""
    bits = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    bits &= ~(0xF << 76) & ~(0x3 << 62)
    return str(uuid.UUID(int=bits | 0x7 << 76 | 0x2 << 62))


class Failure:
    """What one try came to, read off its status and trailers."""

    def __init__(self, error: grpc.RpcError) -> None:
        trailers = dict(error.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        self.code: grpc.StatusCode = error.code()
        self.message: str = error.details() or ""
        self.info = error_details_pb2.ErrorInfo()
        self.precondition = error_details_pb2.PreconditionFailure()
        self.retry = error_details_pb2.RetryInfo()
        for detail in status.details:
            for known in (self.info, self.precondition, self.retry):
                detail.Unpack(known)
        self.reason: str = self.info.reason
        # Of this copy of the request. Where there is no trailer no node said anything: the copy may be on its way still.
        self.had_no_effect = trailers.get("stockade-outcome") == "not-applied"
        # The log has decided the request id: that goes for every copy. Of an id in the future nothing is kept.
        logged = trailers.get("stockade-logged") == "true"
        self.settles_all = logged and self.had_no_effect and self.reason != "REQUEST_ID_IN_FUTURE"

    def may_end_otherwise(self) -> bool:
        """True where the same call is worth another try."""
        return self.reason in RETRIED_REASONS if self.reason else self.code in RETRIED_CODES

    def __str__(self) -> str:
        return f"{self.reason or self.code.name}: {self.message}"


class CallFailed(Exception):
    """A call that came to nothing, or of which nobody knows what it came to."""

    def __init__(self, failure: Failure, fate_unknown: bool) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.reason = failure.reason
        # Of a mutation: true where a copy may have taken effect, or may yet. Retry with the same id, or see `Client.settle`.
        self.fate_unknown = fate_unknown

    def lines(self) -> list[str]:
        """Everything that is in the way, one by one: of INSUFFICIENT_STOCK each line of the order that is short."""
        return [f"{violation.subject}: {violation.description}" for violation in self.failure.precondition.violations]


class Refused(CallFailed):
    """The cluster said no. The same request id gets the same no for ever: who tries anew makes a new one."""


class Unanswered(CallFailed):
    """No answer within the time for all tries."""


class Node:
    """One node: a channel, which opens again by itself, and the stubs on it. Shared by all threads."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stubs: dict[str, Any] = {}

    def method(self, name: str) -> Any:
        """The call of this name, for example `OrderService.PlaceOrder`."""
        service, method = name.split(".")
        if service not in self._stubs:
            module = importlib.import_module(f"stockade.v1.{service[: -len('Service')].lower()}_pb2_grpc")
            self._stubs[service] = getattr(module, f"{service}Stub")(self._channel)
        return getattr(self._stubs[service], method)


class Client:
    """Calls any node, and the next one where that fails. One for each thread."""

    def __init__(self, nodes: Iterable[Node], first: int = 0) -> None:
        self._nodes = list(nodes)
        # Stays with the node that answered last: a dead one is met once, and not again by every call.
        self._turn = first
        self.retried: Counter[str] = Counter()
        self.replayed = 0
        self.longest_seconds = 0.0

    def call(self, method: str, request: Any, seconds: float = CALL_SECONDS) -> Any:
        """Makes a call, on as many nodes as it takes. A mutation brings its request id along, the same one for every try."""
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            raise ValueError(f"{method} needs a request id that is made, and kept, before the first try")
        began = time.monotonic()
        fate_unknown = False
        tries = 0
        while True:
            tries += 1
            left = began + seconds - time.monotonic()
            node = self._nodes[self._turn % len(self._nodes)]
            try:
                answer = node.method(method)(request, timeout=min(TRY_SECONDS, left))
            except grpc.RpcError as error:
                failure = Failure(error)
            else:
                # The kept answer of an earlier copy: that one took effect, and its answer was lost on the way.
                self.replayed += answer.header.replayed
                self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
                return answer
            fate_unknown = not failure.settles_all and (fate_unknown or not failure.had_no_effect)
            if not failure.may_end_otherwise():
                raise Refused(failure, fate_unknown)
            pause = pause_before(tries + 1, failure)
            if time.monotonic() + pause >= began + seconds:
                raise Unanswered(failure, fate_unknown)
            self.retried[failure.reason or failure.code.name] += 1
            self._turn += 1
            time.sleep(pause)

    def settle(self, request_id: str) -> transaction_pb2.GetOutcomeResponse | transaction_pb2.AbandonRequestResponse:
        """What became of a request that nobody wants to retry: decided, or given up for good."""
        found = self.call("TransactionService.GetOutcome", transaction_pb2.GetOutcomeRequest(request_id=request_id))
        if found.state != transaction_pb2.OUTCOME_STATE_NOT_SEEN:
            return found
        # A copy that is still on its way would change that. After this call none can.
        abandon = transaction_pb2.AbandonRequestRequest(request_id=request_id)
        return self.call("TransactionService.AbandonRequest", abandon)


def pause_before(attempt: int, failure: Failure) -> float:
    """Seconds before a try: doubled each time; random, so that callers whom one node left don't come back in step; and not
    before the time that the node asked for."""
    full = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt - 2, 16))
    return failure.retry.retry_delay.ToTimedelta().total_seconds() + random.uniform(full / 2, full)
