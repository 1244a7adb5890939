"""Lanes of the inbox under any order of events, and session keys of any ids."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from carapace.channels.inbox.waiting import DueLane, WaitingLanes
from carapace.channels.routing import RoutingRules, session_key_of
from carapace.channels.types import ChatType, Conversation, InboundMessage, Sender
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions.keys import MAX_KEY_CHARS

_NAMES = st.sampled_from(["a", "b", "c"])
_WORDS = Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED)


class Lanes(RuleBasedStateMachine):
    """The machine beside a model of the rows on disk: nothing due is ever forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = WaitingLanes()
        self.now_s = 0.0
        self.rows: dict[str, int] = {}
        self.taken: dict[str, DueLane] = {}

    @rule(name=_NAMES, wait_s=st.sampled_from([0.0, 1.0, 5.0]), sender=st.sampled_from("xy"))
    def come(self, name: str, wait_s: float, sender: str) -> None:
        self.lanes.add(name, sender=sender, wait_s=wait_s, now_s=self.now_s)
        self.rows[name] = self.rows.get(name, 0) + 1

    @rule(limit=st.integers(1, 3))
    def take(self, limit: int) -> None:
        for due in self.lanes.take(self.now_s, limit):
            assert due.name not in self.taken
            if self.rows.get(due.name, 0) == 0:
                self.lanes.drop(due, now_s=self.now_s)
            else:
                self.taken[due.name] = due

    @rule(has_ended=st.booleans())
    def release(self, *, has_ended: bool) -> None:
        if self.taken:
            name, _ = self.taken.popitem()
            if has_ended:
                self.rows[name] -= 1
                self.lanes.end(name, 1)
            self.lanes.release(name, now_s=self.now_s, after_s=0.0 if has_ended else 5.0)

    @rule(name=_NAMES)
    def vanish(self, name: str) -> None:
        """Rows that were stopped or deleted: memory does not hear of it."""
        if name not in self.taken and self.rows.get(name, 0):
            self.rows[name] -= 1

    @rule()
    def load(self) -> None:
        found = [(name, rows, self.now_s) for name, rows in self.rows.items() if rows]
        self.lanes.load(found)

    @rule(by_s=st.floats(0.0, 60.0))
    def wait(self, by_s: float) -> None:
        self.now_s += by_s

    @invariant()
    def every_lane_with_rows_is_worked_at_or_will_be_due(self) -> None:
        free = {name for name, rows in self.rows.items() if rows and name not in self.taken}
        if free:
            due_s = self.lanes.next_due_s()
            assert due_s is not None
            assert due_s <= self.now_s + 50.0

    def teardown(self) -> None:
        while self.taken:
            self.release(has_ended=False)
        left = {name for name, rows in self.rows.items() if rows}
        assert left <= {due.name for due in self.lanes.take(self.now_s + 100.0, 100)}


TestLanes = Lanes.TestCase
TestLanes.settings = settings(max_examples=25, deadline=None)


def _key(conversation: str, thread: str | None, kind: ChatType) -> str:
    place = Conversation(id=conversation, chat_type=kind, thread_id=thread)
    message = InboundMessage(
        channel="chat",
        account="default",
        message_id="m",
        conversation=place,
        sender=Sender(id=conversation),
    )
    return session_key_of(message, _WORDS, RoutingRules(dm_scope="per-channel-peer"))


_PLACE = st.tuples(
    st.text(max_size=200),
    st.none() | st.text(max_size=200),
    st.sampled_from([ChatType.DIRECT, ChatType.GROUP, ChatType.CHANNEL]),
)


@given(_PLACE, _PLACE)
def test_two_places_never_share_a_session(
    one: tuple[str, str | None, ChatType], other: tuple[str, str | None, ChatType]
):
    keys = _key(*one), _key(*other)
    assert (keys[0] == keys[1]) == (one == other)
    assert all(len(key) <= MAX_KEY_CHARS for key in keys)


@given(st.text(alphabet="aA:~ thread", max_size=12), st.text(alphabet="aA:~ thread", max_size=12))
def test_ids_made_to_look_like_keys_never_collide(one: str, other: str):
    plain = _key(one, other, ChatType.GROUP)
    joined = _key(f"{one}:thread:{other}", None, ChatType.GROUP)
    assert plain != joined
    assert (_key(one, None, ChatType.GROUP) == _key(other, None, ChatType.GROUP)) == (one == other)
