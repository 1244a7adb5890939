"""Whatever is sent in whatever order, a connection keeps its rules."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from carapace.protocol.frames import BadFrame, NotJson, Request, decode_frame
from carapace.server.connection import Close, Connection, Handshake, Reply, State

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_one_of_three(data):
    assert isinstance(decode_frame(data), Request | BadFrame | NotJson)


@given(JSON)
def test_any_json_is_a_request_or_is_answerable(value):
    frame = decode_frame(msgspec.json.encode(value))
    assert isinstance(frame, Request | BadFrame)
    if isinstance(frame, BadFrame):
        assert frame.id is not None
        assert frame.message.startswith("invalid request frame: ")


@given(st.dictionaries(st.sampled_from(["type", "id", "method", "params", "x"]), JSON))
def test_a_frame_is_accepted_only_with_its_four_keys(fields):
    frame = decode_frame(msgspec.json.encode(fields))
    is_good = (
        fields.get("type") == "req"
        and isinstance(fields.get("id"), str)
        and isinstance(fields.get("method"), str)
        and bool(fields["id"])
        and bool(fields["method"])
        and "x" not in fields
    )
    assert isinstance(frame, Request) is is_good


class ConnectionMachine(RuleBasedStateMachine):
    """Drives a connection beside a simple model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = Connection(3)
        self.waiting: set[str] = set()

    @precondition(lambda self: self.connection.state is not State.ADMITTING)
    @rule(data=st.binary(max_size=40))
    def garbage(self, data: bytes) -> None:
        before = self.connection.state
        step = self.connection.receive(data)
        if before is State.AWAITING_CONNECT:
            assert isinstance(step, Close)
            self.connection.close()
            self.waiting.clear()
        elif before is State.CLOSED:
            assert step is None

    @precondition(lambda self: self.connection.state is not State.ADMITTING)
    @rule(number=st.integers(0, 5), method=st.sampled_from(["connect", "health"]))
    def request(self, number: int, method: str) -> None:
        before, name = self.connection.state, f"r{number}"
        step = self.connection.receive(
            msgspec.json.encode({"type": "req", "id": name, "method": method})
        )
        if before is State.CLOSED:
            assert step is None
        elif before is State.AWAITING_CONNECT:
            assert isinstance(step, Handshake if method == "connect" else Close)
            if isinstance(step, Close):
                self.connection.close()
        elif method == "connect" or name in self.waiting or len(self.waiting) >= 3:
            assert isinstance(step, Reply)
        else:
            assert isinstance(step, Request)
            self.connection.begin(name)
            self.waiting.add(name)

    @rule()
    def admit(self) -> None:
        self.connection.admit()

    @rule(number=st.integers(0, 5))
    def answer(self, number: int) -> None:
        self.waiting.discard(f"r{number}")
        heard = self.connection.finish(f"r{number}")
        assert heard is (self.connection.state is State.READY)

    @rule()
    def close(self) -> None:
        self.connection.close()
        self.waiting.clear()

    @invariant()
    def never_more_than_the_cap_wait(self) -> None:
        assert self.connection.in_flight == len(self.waiting) <= 3


TestConnectionMachine = ConnectionMachine.TestCase
