from __future__ import annotations

from carapace.channels.access import sent_ids
from carapace.channels.access.sent_ids import SentIds, SentMessage, sent_since
from carapace.channels.outbox import records as outbox_records
from carapace.channels.outbox.types import Cause, OutboxState
from carapace.channels.types import Outgoing, Target
from carapace.provenance import OWNER
from carapace.store.ports import Tx
from support.database import memory_database


def at(conversation: str = "room", channel: str = "webhook", account: str = "default") -> Target:
    return Target(channel=channel, account=account, conversation=conversation)


def test_what_we_sent_is_known_where_we_sent_it_and_nowhere_else():
    ids = SentIds()
    ids.note(at(), "m1", now_ms=7)
    assert ids.of("webhook", "default", "room") == {"m1": 7}
    assert ids.of("webhook", "default", "other") == {}
    assert ids.of("webhook", "second", "room") == {}
    assert ids.of("telegram", "default", "room") == {}


def test_the_oldest_of_a_conversation_go_first():
    ids = SentIds()
    for number in range(sent_ids._MAX_EACH + 1):
        ids.note(at(), f"m{number}", now_ms=number)
    found = ids.of("webhook", "default", "room")
    assert len(found) == sent_ids._MAX_EACH
    assert "m0" not in found


def test_conversations_are_bounded_the_longest_silent_goes_first():
    ids = SentIds()
    ids.note(at("first"), "m", now_ms=0)
    for number in range(sent_ids._MAX_CONVERSATIONS - 1):
        ids.note(at(f"c{number}"), "m", now_ms=1)
    ids.note(at("first"), "m", now_ms=2)
    ids.note(at("one more"), "m", now_ms=3)
    assert ids.of("webhook", "default", "first") == {"m": 2}
    assert ids.of("webhook", "default", "c0") == {}


async def test_what_arrived_is_read_from_the_outbox_oldest_first():
    def send(
        tx: Tx, key: str, at_ms: int, message_id: str | None, *, is_dead: bool = False
    ) -> None:
        outgoing = Outgoing(target=at(), idempotency_key=key, text="hello")
        number = outbox_records.insert(
            tx, outgoing, provenance=OWNER, run_id=None, created_at_ms=0, expires_at_ms=99
        )
        assert number is not None
        row = outbox_records.find(tx, number)
        assert row is not None
        if is_dead:
            outbox_records.close(tx, row, state=OutboxState.DEAD, now_ms=at_ms, cause=Cause.EXPIRED)
        else:
            outbox_records.close(
                tx, row, state=OutboxState.DELIVERED, now_ms=at_ms, message_id=message_id
            )

    def fill(tx: Tx) -> None:
        send(tx, "too old", 9, "m9")
        send(tx, "later", 12, "m12")
        send(tx, "first", 10, "m10")
        send(tx, "without id", 11, None)
        send(tx, "dead", 11, None, is_dead=True)

    async with memory_database() as database:
        await database.write(fill)
        assert await database.read(lambda tx: sent_since(tx, 10)) == [
            SentMessage(target=at(), message_id="m10", sent_at_ms=10),
            SentMessage(target=at(), message_id="m12", sent_at_ms=12),
        ]
