"""Advisory rows of group E that concern what is delivered after a restart."""

from __future__ import annotations

from pathlib import Path

from carapace.channels.outbox.attempt import Cancelled
from carapace.channels.outbox.types import Cause, OutboxRow
from carapace.channels.types import Outgoing
from carapace.provenance import Authority, Origin, Provenance
from support.outbox import outgoing, sending_house

GUEST = Provenance(
    origin=Origin.CHANNEL,
    authority=Authority.GUEST,
    channel="recording",
    account="default",
    sender_id="u1",
    conversation="room",
)


async def guard(row: OutboxRow, message: Outgoing) -> Outgoing | Cancelled:
    """A policy that lets a guest's words pass, and no files."""
    assert row.provenance is not None
    if message.media and row.provenance.authority < Authority.PAIRED:
        return Cancelled(reason="guests send no files")
    return message


async def test_adv_e14_recovered_media_pass_the_policy_with_the_context_they_had(tmp_path: Path):
    async with sending_house(folder=tmp_path) as house:
        queued = await house.outbox.put(outgoing("file", media=("m1",)), provenance=GUEST)
    async with sending_house(folder=tmp_path, before_send=guard) as house:
        house.start()
        [row] = await house.ended(queued.outbox_id)
        assert row.provenance == GUEST
        assert (row.cause, row.reason) == (Cause.CANCELLED, "guests send no files")
        assert house.account.sent == []


async def test_adv_e14_a_message_whose_context_is_lost_is_parked_not_sent(tmp_path: Path):
    async with sending_house(folder=tmp_path) as house:
        queued = await house.outbox.put(outgoing("file", media=("m1",)), provenance=GUEST)
        await house.database.write(
            lambda tx: tx.execute('UPDATE outbox SET provenance = \'{"origin":"channel"}\'')
        )
    async with sending_house(folder=tmp_path, before_send=guard) as house:
        house.start()
        [row] = await house.ended(queued.outbox_id)
        assert row.cause is Cause.UNREADABLE
        assert house.account.sent == []
        # It stays for a person to look at.
        assert (await house.outbox.counts()).dead == 1
