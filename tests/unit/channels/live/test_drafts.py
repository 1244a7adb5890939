from __future__ import annotations

import pytest
from msgspec.structs import replace

from carapace.channels.live import draft_records, drafts
from carapace.channels.live.drafts import Drafts
from carapace.channels.types import (
    Dead,
    Delivered,
    Outgoing,
    OutgoingKind,
    RetryAfter,
    Target,
    Unknown,
)
from carapace.tasks import Tasks
from support.clock import FakeClock
from support.database import memory_database
from support.polling import until
from support.recording_channel import (
    RECORDING_INFO,
    RecordingAccount,
    RecordingIntake,
    Step,
)

TARGET = Target(channel="recording", account="a", conversation="c")


class House:
    """Drafts over one account and a real database."""

    def __init__(self, database, info=RECORDING_INFO):
        self.database = database
        self.info = info
        self.clock = FakeClock()
        self.account: RecordingAccount | None = RecordingAccount(info, "a", RecordingIntake())
        self.wanted = True
        self.errors = []
        self.tasks = Tasks("drafts", lambda name, error: self.errors.append(error))
        self.drafts = self.make()

    def make(self):
        return Drafts(
            self.database,
            accounts=lambda channel, account: self.account,
            infos=lambda channel: self.info,
            wants=lambda target: self.wanted,
            render=lambda text, target: [text[:20], text[20:]] if text[20:] else [text],
            clock=self.clock,
            tasks=self.tasks,
        )

    @property
    def sent(self):
        assert self.account is not None
        return self.account.sent

    async def row(self):
        return await self.database.read(lambda tx: draft_records.find(tx, "r"))

    async def advance(self, delay_s):
        """Let time pass in small steps; the database is at rest after each."""
        for _ in range(max(1, round(delay_s / 0.25))):
            await self.clock.advance(min(delay_s, 0.25))
            for _ in range(3):
                await until(lambda: not self.database.busy)
                await self.clock.advance(0)

    async def shown(self, count):
        """Let time pass until that many sends were made."""
        for _ in range(80):
            if len(self.sent) >= count:
                break
            await self.advance(0.25)
        assert len(self.sent) == count


class WatchedDatabase:
    """A real database that says whether it works."""

    def __init__(self, inner):
        self.inner = inner
        self.busy = 0

    async def read(self, fn):
        return await self._watched(self.inner.read(fn))

    async def write(self, fn):
        return await self._watched(self.inner.write(fn))

    async def close(self):
        await self.inner.close()

    async def _watched(self, work):
        self.busy += 1
        try:
            return await work
        finally:
            self.busy -= 1


@pytest.fixture
async def house():
    async with memory_database() as database:
        one = House(WatchedDatabase(database))
        yield one
        await one.tasks.close()
        assert one.errors == []


async def test_the_first_words_are_a_message_and_the_next_change_it(house):
    draft = await house.drafts.open("r", TARGET, "q")
    draft.show("Hel")
    await house.shown(1)
    assert house.sent[0] == Outgoing(
        target=TARGET, idempotency_key="r/draft", text="Hel", reply_to="q"
    )
    draft.show("Hello")
    await house.shown(2)
    edit = house.sent[1]
    assert (edit.kind, edit.text, edit.about_message_id) == (OutgoingKind.EDIT, "Hello", "m-1")
    assert (await house.row()).message_id == "m-1"


async def test_nothing_is_shown_in_the_first_second_and_changes_are_a_second_apart(house):
    draft = await house.drafts.open("r", TARGET)
    draft.show("a")
    await house.advance(0.75)
    assert house.sent == []
    await house.shown(1)
    for text in ("ab", "abc", "abcd"):
        draft.show(text)
    await house.advance(0.5)
    assert len(house.sent) == 1
    await house.shown(2)
    assert house.sent[1].text == "abcd"


async def test_only_the_first_message_of_a_long_answer_is_shown(house):
    draft = await house.drafts.open("r", TARGET)
    draft.show("x" * 30)
    await house.shown(1)
    draft.show("x" * 40)
    await house.advance(5)
    assert [one.text for one in house.sent] == ["x" * 20]


async def test_after_a_restart_the_same_message_is_changed(house):
    draft = await house.drafts.open("r", TARGET)
    draft.show("Hel")
    await house.shown(1)
    await draft.close()
    again = house.make()
    draft = await again.open("r", TARGET)
    draft.show("Once more")
    await house.shown(2)
    assert (house.sent[1].kind, house.sent[1].about_message_id) == (OutgoingKind.EDIT, "m-1")
    assert len({one.idempotency_key for one in house.sent}) == 2


async def test_a_doubt_after_a_restart_is_looked_up(house):
    assert house.account is not None
    house.account.script(Step(Unknown(reason="lost"), arrives=True))
    draft = await house.drafts.open("r", TARGET)
    draft.show("Hel")
    await house.shown(1)
    await house.drafts.close("r")
    assert (await house.row()).message_id is None
    assert await house.make().open("r", TARGET) is not None
    assert (await house.row()).message_id == "m-1"


@pytest.mark.parametrize("can_look_up", [True, False])
async def test_a_doubt_that_stays_gives_no_further_draft(house, can_look_up):
    house.info = replace(RECORDING_INFO, can_look_up=can_look_up)
    await house.database.write(lambda tx: draft_records.begin(tx, "r", TARGET, now_ms=1))
    assert await house.drafts.open("r", TARGET) is None


async def test_a_look_up_that_breaks_gives_no_draft(house, monkeypatch):
    async def broken(outgoing):
        raise RuntimeError("no")

    await house.database.write(lambda tx: draft_records.begin(tx, "r", TARGET, now_ms=1))
    monkeypatch.setattr(house.account, "look_up", broken)
    assert await house.drafts.open("r", TARGET) is None


@pytest.mark.parametrize(
    "outcome",
    [
        Unknown(reason="lost"),
        Dead(reason="no"),
        RetryAfter(reason="later"),
        Delivered(),
        RuntimeError("broken"),
    ],
)
async def test_a_draft_that_did_not_surely_arrive_is_given_up(house, outcome):
    assert house.account is not None
    house.account.script(outcome)
    draft = await house.drafts.open("r", TARGET)
    draft.show("a")
    await house.shown(1)
    draft.show("ab")
    await house.advance(10)
    assert len(house.sent) == 1
    assert (await house.row()).message_id is None


async def test_a_change_that_must_wait_waits_as_long_as_the_service_says(house):
    assert house.account is not None
    draft = await house.drafts.open("r", TARGET)
    draft.show("a")
    await house.shown(1)
    house.account.script(RetryAfter(reason="slow", after_s=7))
    draft.show("ab")
    await house.shown(2)
    await house.advance(6.5)
    assert len(house.sent) == 2
    await house.shown(3)
    assert house.sent[2].text == "ab"


@pytest.mark.parametrize("outcome", [Unknown(reason="lost"), RetryAfter(reason="slow")])
async def test_after_three_failures_nothing_more_is_changed(house, outcome):
    assert house.account is not None
    draft = await house.drafts.open("r", TARGET)
    draft.show("a")
    await house.shown(1)
    house.account.script(*[outcome] * 5)
    draft.show("ab")
    await house.shown(4)
    await house.advance(60)
    assert len(house.sent) == 4


async def test_a_refused_change_ends_it(house):
    assert house.account is not None
    draft = await house.drafts.open("r", TARGET)
    draft.show("a")
    await house.shown(1)
    house.account.script(Dead(reason="gone"))
    draft.show("ab")
    await house.shown(2)
    draft.show("abc")
    await house.advance(60)
    assert len(house.sent) == 2


async def test_closing_waits_for_the_change_that_is_on_its_way(house):
    assert house.account is not None
    draft = await house.drafts.open("r", TARGET)
    house.account.hold()
    draft.show("a")
    await house.shown(1)
    house.account.release()
    await house.drafts.close("r")
    draft.show("ab")
    await house.advance(10)
    assert len(house.sent) == 1
    assert (await house.row()).message_id == "m-1"


async def test_closing_does_not_wait_forever(house, monkeypatch):
    monkeypatch.setattr(drafts, "_CLOSE_TIMEOUT_S", 0.01)
    assert house.account is not None
    draft = await house.drafts.open("r", TARGET)
    house.account.hold()
    draft.show("a")
    await house.shown(1)
    await draft.close()
    await until(lambda: house.account is not None and house.account.in_flight == 0)
    assert (await house.row()).message_id is None


async def test_a_service_that_does_not_answer_is_not_waited_for(house, monkeypatch):
    monkeypatch.setattr(drafts, "_SEND_TIMEOUT_S", 0.01)
    assert house.account is not None
    draft = await house.drafts.open("r", TARGET)
    house.account.hold()
    draft.show("a")
    await house.shown(1)
    await until(lambda: house.account is not None and house.account.in_flight == 0)
    assert (await house.row()).message_id is None


async def test_closing_what_is_not_open_is_nothing(house):
    await house.drafts.close("other")
    draft = await house.drafts.open("r", TARGET)
    draft._task.cancel()
    draft._task = None
    await draft.close()


@pytest.mark.parametrize("why", ["not wanted", "no account", "cannot edit", "no channel"])
async def test_there_is_no_draft_where_there_cannot_be_one(house, why):
    if why == "not wanted":
        house.wanted = False
    elif why == "no account":
        house.account = None
    else:
        house.info = replace(RECORDING_INFO, can_edit=False) if why == "cannot edit" else None
    assert await house.drafts.open("r", TARGET) is None


async def test_an_account_that_went_away_ends_it(house):
    draft = await house.drafts.open("r", TARGET)
    assert house.account is not None
    house.account.problem = "no line"
    draft.show("a")
    await house.advance(10)
    assert house.sent == []


async def test_there_are_not_too_many_at_once(house, monkeypatch):
    monkeypatch.setattr(drafts, "_MAX_OPEN", 1)
    assert await house.drafts.open("r", TARGET) is not None
    assert await house.drafts.open("s", TARGET) is None
    await house.drafts.close("r")
    assert await house.drafts.open("s", TARGET) is not None


async def test_blank_text_is_not_shown(house):
    draft = await house.drafts.open("r", TARGET)
    draft.show("  \n")
    await house.advance(10)
    assert house.sent == []


@pytest.mark.parametrize("can_delete", [True, False])
async def test_the_finished_answer_takes_its_place(house, can_delete):
    house.info = replace(RECORDING_INFO, can_delete=can_delete)
    await house.database.write(lambda tx: draft_records.begin(tx, "r", TARGET, now_ms=1))
    await house.database.write(lambda tx: draft_records.shown(tx, "r", "m-1"))
    settled = await house.database.write(lambda tx: house.drafts.settle(tx, "r", ()))
    assert len(settled) == (1 if can_delete else 0)
    answer = Outgoing(target=TARGET, idempotency_key="r/1")
    settled = await house.database.write(lambda tx: house.drafts.settle(tx, "r", (answer,)))
    assert settled == (answer,)


async def test_a_database_that_fails_ends_it(house):
    draft = await house.drafts.open("r", TARGET)
    await house.database.close()
    draft.show("a")
    await house.advance(10)
    assert house.sent == []
