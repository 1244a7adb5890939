"""Whatever the service does, a send ends with an outcome that is true."""

from __future__ import annotations

import asyncio

import pytest

from carapace.channels.types import Dead, Delivered, Outgoing, RetryAfter, Target, Unknown
from support.channel_kinds import every, every_trouble
from support.channel_under_test import Trouble

# What each trouble may be called. `Unknown` may always stand for "surely not": it is the careful
# answer. Never may "surely not" stand for "who knows", nor "for good" for "not now".
TRUE_OUTCOMES = {
    Trouble.REJECTS: (Dead,),
    Trouble.FORBIDS: (Dead,),
    Trouble.TOO_MANY: (RetryAfter,),
    Trouble.TOO_MANY_FOR_9_S: (RetryAfter,),
    Trouble.TOO_MANY_UNTIL_A_DATE: (RetryAfter,),
    Trouble.TOO_MANY_IN_NONSENSE: (RetryAfter,),
    Trouble.UNAVAILABLE: (RetryAfter, Unknown),
    Trouble.BREAKS: (Unknown,),
    Trouble.RESETS: (Unknown,),
    Trouble.RESETS_UNREAD: (RetryAfter, Unknown),
    Trouble.TALKS_GARBAGE: (Unknown,),
    Trouble.CUTS_ANSWER: (Delivered, Unknown),
    Trouble.STALLS_ANSWER: (Delivered, Unknown),
    Trouble.ANSWERS_NONSENSE: (Delivered, Unknown),
    Trouble.ANSWERS_MUCH: (Delivered, Unknown),
    Trouble.DOWN: (RetryAfter, Unknown),
    Trouble.KNOWS_KEY: (Delivered,),
}
ENDING = tuple(TRUE_OUTCOMES)
PASSING = tuple(trouble for trouble in ENDING if trouble is not Trouble.DOWN)


def outgoing(kind, key="key-1", **more):
    target = Target(channel=kind.name, account=kind.account, conversation="room")
    return Outgoing(target=target, idempotency_key=key, text="hello", **more)


def test_every_trouble_has_its_true_outcomes():
    assert {*TRUE_OUTCOMES, Trouble.SILENT} == set(Trouble)


@every_trouble(*ENDING)
async def test_the_outcome_is_true(kind, opened, trouble):
    await opened.rig.stage(trouble)
    assert isinstance(await opened.account.send(outgoing(kind)), TRUE_OUTCOMES[trouble])


@every_trouble(*ENDING)
async def test_what_went_wrong_is_said_in_words(kind, opened, trouble):
    await opened.rig.stage(trouble)
    outcome = await opened.account.send(outgoing(kind))
    if not isinstance(outcome, Delivered):
        assert len(outcome.reason) > 5


@every_trouble(*ENDING)
async def test_no_secret_is_in_the_words(kind, opened, trouble):
    """Row F19."""
    await opened.rig.stage(trouble)
    shown = repr(await opened.account.send(outgoing(kind)))
    for secret in opened.rig.secrets:
        assert secret not in shown


@every_trouble(*PASSING)
async def test_when_it_is_over_the_next_message_arrives(kind, opened, trouble):
    await opened.rig.stage(trouble)
    await opened.account.send(outgoing(kind))
    await opened.rig.calm()
    outcome = await opened.account.send(outgoing(kind, "key-2"))
    assert isinstance(outcome, Delivered)
    assert opened.rig.seen()[-1].key == "key-2"


@every_trouble(Trouble.TOO_MANY_FOR_9_S, Trouble.TOO_MANY_UNTIL_A_DATE)
async def test_how_long_to_wait_is_told(kind, opened, trouble):
    await opened.rig.stage(trouble)
    outcome = await opened.account.send(outgoing(kind))
    assert isinstance(outcome, RetryAfter)
    assert outcome.after_s == (9.0 if trouble is Trouble.TOO_MANY_FOR_9_S else 30.0)


@every_trouble(Trouble.TOO_MANY, Trouble.TOO_MANY_IN_NONSENSE)
async def test_no_time_is_made_up(kind, opened, trouble):
    await opened.rig.stage(trouble)
    outcome = await opened.account.send(outgoing(kind))
    assert isinstance(outcome, RetryAfter)
    assert outcome.after_s is None


@every_trouble(Trouble.SILENT)
async def test_a_send_that_hangs_ends_when_it_is_cancelled(kind, opened, trouble):
    await opened.rig.stage(trouble)
    task = asyncio.create_task(opened.account.send(outgoing(kind)))
    await opened.rig.attempted(1)
    task.cancel()
    async with asyncio.timeout(2):
        with pytest.raises(asyncio.CancelledError):
            await task
    await opened.rig.calm()
    assert isinstance(await opened.account.send(outgoing(kind, "key-2")), Delivered)


@every_trouble(Trouble.SILENT)
async def test_one_that_hangs_does_not_hold_up_others(kind, opened, trouble):
    await opened.rig.stage(trouble)
    task = asyncio.create_task(opened.account.send(outgoing(kind)))
    await opened.rig.attempted(1)
    await opened.rig.calm()
    async with asyncio.timeout(5):
        assert isinstance(await opened.account.send(outgoing(kind, "key-2")), Delivered)
    task.cancel()
    await asyncio.wait([task])


@every()
async def test_trouble_at_one_send_is_not_trouble_of_the_account(kind, opened):
    await opened.rig.stage(Trouble.REJECTS)
    await opened.account.send(outgoing(kind))
    assert opened.account.trouble() is None
