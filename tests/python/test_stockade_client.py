"""Tests of the checkout example's client: what it retries, where, and what it says of a call's fate. Its nodes answer as they are told.

Needs the example and the modules that protoc makes of the .proto files on the path.
"""

import socket
import time
import unittest
import uuid

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from stockade.v1 import common_pb2, order_pb2
from stockade_client import Client, Failure, Node, Refused, Unanswered, new_request_id, pause_before

SHIP = "OrderService.ShipOrder"


class Told(grpc.RpcError):
    """A failure with this code; with a reason and an outcome where a node says so itself."""

    def __init__(self, code, reason=None, outcome=None, logged=False, retry_seconds=None):
        self._code = code
        self._trailers = []
        details = []
        if reason is not None:
            details.append(error_details_pb2.ErrorInfo(reason=reason, domain="stockade"))
        if retry_seconds is not None:
            details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_seconds)))
        if details:
            status = status_pb2.Status(details=[packed(detail) for detail in details])
            self._trailers.append(("grpc-status-details-bin", status.SerializeToString()))
        if outcome is not None:
            self._trailers.append(("stockade-outcome", outcome))
        if logged:
            self._trailers.append(("stockade-logged", "true"))

    def code(self):
        return self._code

    def details(self):
        return "told"

    def trailing_metadata(self):
        return self._trailers


def packed(message):
    """A message as a detail of a status."""
    detail = Any()
    detail.Pack(message)
    return detail


class Scripted:
    """A node that answers its calls with these, one after the other, and keeps what it was asked."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []

    def method(self, name):
        def call(request, timeout):
            self.asked.append((name, request.request_id, timeout))
            answer = self._answers.pop(0)
            if isinstance(answer, grpc.RpcError):
                raise answer
            return answer

        return call


def shipped(replayed=False):
    """A parcel that left."""
    return order_pb2.ShipOrderResponse(header=common_pb2.ResponseHeader(revision=7, replayed=replayed))


def request():
    """A call that changes something."""
    return order_pb2.ShipOrderRequest(request_id=new_request_id(), order_id="o1")


DEAD = grpc.StatusCode.UNAVAILABLE
REFUSED = grpc.StatusCode.FAILED_PRECONDITION


class ClientTest(unittest.TestCase):
    def test_a_call_goes_to_the_next_node_under_the_same_id_and_stays_there(self):
        dead, lives = Scripted(Told(DEAD)), Scripted(shipped(replayed=True), shipped())
        client = Client([dead, lives])
        first, second = request(), request()
        client.call(SHIP, first)
        client.call(SHIP, second)
        self.assertEqual([asked[1] for asked in dead.asked], [first.request_id])
        self.assertEqual([asked[1] for asked in lives.asked], [first.request_id, second.request_id])
        self.assertEqual((client.replayed, dict(client.retried)), (1, {"UNAVAILABLE": 1}))

    def test_what_the_reference_says_can_end_otherwise_is_tried_again_and_nothing_else(self):
        for code, reason, retried in [
            (DEAD, "NO_LEADER", True),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL", True),
            (grpc.StatusCode.DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN", True),
            (grpc.StatusCode.OUT_OF_RANGE, "REVISION_AHEAD", True),
            (grpc.StatusCode.ABORTED, "MEMBERSHIP_CHANGING", True),
            (grpc.StatusCode.ABORTED, "ETAG_MISMATCH", False),
            (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_COMPACTED", False),
            (REFUSED, "INSUFFICIENT_STOCK", False),
            (grpc.StatusCode.DEADLINE_EXCEEDED, None, True),
            (grpc.StatusCode.UNIMPLEMENTED, None, False),
        ]:
            with self.subTest(code=code, reason=reason):
                self.assertEqual(Failure(Told(code, reason)).may_end_otherwise(), retried)

    def test_fate_of_a_refused_call(self):
        no = {"outcome": "not-applied"}
        for tries, unknown in [
            # Refused at the door: it had no effect.
            ([Told(REFUSED, "PERMISSION_DENIED", **no)], False),
            # An earlier copy may be on its way, and the door knows nothing of it.
            ([Told(DEAD), Told(REFUSED, "PERMISSION_DENIED", **no)], True),
            # The log decides for all copies.
            ([Told(DEAD), Told(REFUSED, "INSUFFICIENT_STOCK", logged=True, **no)], False),
            # But for an id in the future, of which it keeps nothing, and an expired one, of which it knows nothing.
            ([Told(DEAD), Told(REFUSED, "REQUEST_ID_IN_FUTURE", logged=True, **no)], True),
            ([Told(REFUSED, "REQUEST_ID_EXPIRED", logged=True, outcome="unknown")], True),
        ]:
            with self.subTest(tries=[str(Failure(told)) for told in tries]):
                with self.assertRaises(Refused) as raised:
                    Client([Scripted(*tries)]).call(SHIP, request())
                self.assertEqual(raised.exception.fate_unknown, unknown)

    def test_fate_of_a_call_that_nobody_answered(self):
        busy = [Told(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", "not-applied", retry_seconds=1)]
        with self.assertRaises(Unanswered) as raised:
            Client([Scripted(*busy)]).call(SHIP, request(), seconds=0.5)
        self.assertFalse(raised.exception.fate_unknown)
        # Bound, but not listened to: who connects is refused.
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            node = Node("127.0.0.1:%d" % held.getsockname()[1])
            with self.assertRaises(Unanswered) as raised:
                Client([node]).call(SHIP, request(), seconds=0.3)
        self.assertTrue(raised.exception.fate_unknown)

    def test_a_pause_is_as_long_as_the_node_asked_for_and_grows(self):
        asked = Failure(Told(DEAD, "NO_LEADER", retry_seconds=3))
        told = Failure(Told(DEAD))
        self.assertGreater(pause_before(2, asked), 3.0)
        self.assertLessEqual(pause_before(2, told), 0.02)
        self.assertGreaterEqual(pause_before(40, told), 0.5)
        self.assertLessEqual(pause_before(40, told), 1.0)
        self.assertNotEqual(pause_before(40, told), pause_before(40, told))

    def test_all_tries_together_have_a_deadline_of_their_own(self):
        node = Scripted(shipped())
        Client([node]).call(SHIP, request(), seconds=0.7)
        self.assertLessEqual(node.asked[0][2], 0.7)

    def test_a_mutation_without_a_request_id_is_not_sent(self):
        node = Scripted()
        with self.assertRaises(ValueError):
            Client([node]).call(SHIP, order_pb2.ShipOrderRequest(order_id="o1"))
        self.assertEqual(node.asked, [])

    def test_request_ids_are_of_version_7_and_in_order_of_time(self):

        before = time.time_ns() // 1_000_000
        made = uuid.UUID(new_request_id())
        after = time.time_ns() // 1_000_000
        self.assertEqual((made.version, made.variant), (7, uuid.RFC_4122))
        self.assertTrue(before <= made.int >> 80 <= after)


if __name__ == "__main__":
    unittest.main()
