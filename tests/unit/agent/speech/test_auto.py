"""Answers are spoken after they arrived: once, if that is wanted and the service takes files."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from carapace.agent.speech import auto
from carapace.agent.speech.auto import SpokenAnswers
from carapace.agent.speech.choice import Choices
from carapace.agent.speech.service import Speech
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxQuery, OutboxRow
from carapace.channels.types import ChannelInfo, Outgoing, OutgoingKind, Target
from carapace.config.settings.speech import SpeechSettings
from carapace.provenance import OWNER
from support.clock import FakeClock
from support.database import memory_database
from support.media import media_store
from support.recording_channel import RECORDING_INFO
from support.speech import Parrot

TO = Target(channel="webhook", account="default", conversation="c1")


@dataclass
class House:
    spoken: SpokenAnswers
    outbox: Outbox
    parrot: Parrot
    speech: Speech

    async def answer(self, text: str = "**Hello** there", **changes: Any) -> OutboxRow:
        """A row as the sender has it when the service took it."""
        made = Outgoing(target=TO, idempotency_key="r1/1", text=text, **changes)
        queued = await self.outbox.put(made, provenance=OWNER, run_id="r1")
        found = await self.outbox.get(queued.outbox_id)
        assert found is not None
        return found.row

    async def recordings(self) -> list[OutboxRow]:
        """What was put after that."""
        await self.spoken._tasks.drain(10)
        page = await self.outbox.page(OutboxQuery(limit=50))
        return [row for row in page.rows if row.outgoing is not None and row.outgoing.media]


@asynccontextmanager
async def house(tmp_path: Path, *, takes_files: bool = True) -> AsyncGenerator[House]:
    clock, parrot = FakeClock(), Parrot("piper")
    info: ChannelInfo = replace(RECORDING_INFO, can_media=takes_files)
    async with memory_database() as database, media_store(tmp_path, database, clock) as store:
        speech = Speech(
            (parrot, Parrot("openai"), Parrot("elevenlabs")),
            lambda: SpeechSettings(auto="always"),
            choices=Choices(database, clock),
            store=store,
            media_root=tmp_path,
            prefs_path="x",
        )
        outbox = Outbox(database, clock, keep_media=store.add_reference)
        spoken = SpokenAnswers(speech, outbox, lambda name: info if name == "webhook" else None)
        try:
            yield House(spoken, outbox, parrot, speech)
        finally:
            await spoken.aclose()


async def test_a_recording_follows_an_answer_once(tmp_path: Path):
    async with house(tmp_path) as made:
        row = await made.answer()
        made.spoken.delivered(row)
        made.spoken.delivered(row)
        (recording,) = await made.recordings()
    assert recording.outgoing is not None
    assert (recording.outgoing.target, recording.outgoing.text) == (TO, "")
    assert recording.run_id is None
    assert made.parrot.heard == ["Hello there"] * 2


async def test_a_recording_and_what_no_run_wrote_are_not_spoken(tmp_path: Path):
    async with house(tmp_path) as made:
        row = await made.answer()
        made.spoken.delivered(replace(row, run_id=None))
        made.spoken.delivered(replace(row, outgoing=None))
        made.spoken.delivered(replace(row, channel="unknown"))
        for changes in ({"media": ("m-1",)}, {"kind": OutgoingKind.DELETE}, {"text": "```x```"}):
            outgoing = replace(row.outgoing, **changes) if row.outgoing else None
            made.spoken.delivered(replace(row, outgoing=outgoing))
        made.spoken.delivered(replace(row, provenance=None))
        assert await made.recordings() == []


async def test_a_service_without_files_hears_nothing(tmp_path: Path):
    async with house(tmp_path, takes_files=False) as made:
        made.spoken.delivered(await made.answer())
        assert await made.recordings() == []
    assert made.parrot.heard == []


async def test_nothing_is_spoken_while_it_is_off(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.speech.set_automatic(is_on=False)
        made.spoken.delivered(await made.answer())
        assert await made.recordings() == []


async def test_one_that_fails_costs_only_itself(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.speech.choose("piper")
        made.parrot.why = "hoarse"
        made.spoken.delivered(await made.answer())
        assert await made.recordings() == []
        made.parrot.why = None
        made.spoken.delivered(await made.answer())
        assert len(await made.recordings()) == 1


async def test_too_many_at_once_are_left_out(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr(auto, "_MAX_WAITING", 1)
    async with house(tmp_path) as made:
        row = await made.answer()
        made.spoken.delivered(row)
        made.spoken.delivered(replace(row, idempotency_key="r1/2"))
        assert len(await made.recordings()) == 1


async def test_adv_j13_words_of_an_answer_do_not_choose_who_speaks(tmp_path: Path):
    async with house(tmp_path) as made:
        made.spoken.delivered(await made.answer("[[tts:provider=openai]] Hi"))
        assert len(await made.recordings()) == 1
        assert await made.speech.provider() == "piper"
    assert made.parrot.heard == ["[[tts:provider=openai]] Hi"]
