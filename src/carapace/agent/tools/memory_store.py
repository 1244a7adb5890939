"""What agents remember: named texts in the database, found again by words and by meaning."""

from __future__ import annotations

import re
from typing import Final

from carapace.agent.memory.fusion import fuse
from carapace.agent.memory.meanings import Meanings
from carapace.agent.tools import memory_records as records
from carapace.agent.tools.memory_records import Memory
from carapace.agent.tools.registry import ToolTrouble
from carapace.clock import Clock
from carapace.provenance import OWNER, Provenance
from carapace.store.ports import Database, Tx

__all__ = ["MAX_MEMORIES", "MemoryStore", "words_of"]

MAX_MEMORIES: Final = 10_000
_NOT_YOURS: Final = (
    "what is remembered under that name is the owner's and stays as it is; use another name, or "
    "tell the person that only the owner can change it"
)
_MAX_WORDS: Final = 16
_MIN_PREFIX: Final = 3
_WORD: Final = re.compile(r"\w+")


class MemoryStore:
    """The memory of all agents, each reached by its id only.

    Args:
        database: Where it is kept.
        clock: For the time of each entry.
        meanings: Search by meaning; None for words alone.
        max_memories: Entries of one agent.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        meanings: Meanings | None = None,
        max_memories: int = MAX_MEMORIES,
    ) -> None:
        self._database = database
        self._clock = clock
        self._meanings = meanings
        self._max_memories = max_memories

    async def write(
        self, agent_id: str, *, name: str, text: str, run_id: str, provenance: Provenance = OWNER
    ) -> None:
        """Keep `text` under `name`, in place of what was there; marked with whose words it is.

        Raises:
            ToolTrouble: If the agent remembers as much as it may, or what is there was written
                for somebody who may do more.
        """
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> bool:
            there = records.get(tx, agent_id, name)
            if there is None and records.count(tx, agent_id) >= self._max_memories:
                return False
            if there is not None and there.authority > provenance.authority:
                raise ToolTrouble(_NOT_YOURS)
            records.write(
                tx,
                agent_id,
                name=name,
                text=text,
                run_id=run_id,
                now_ms=now_ms,
                provenance=provenance,
            )
            return True

        if not await self._database.write(work):
            raise ToolTrouble(
                f"the memory holds {self._max_memories} entries, which is its limit; "
                "write to a name that exists, or ask the user what may go"
            )
        if self._meanings is not None:
            self._meanings.changed()

    async def read(self, agent_id: str, name: str) -> Memory | None:
        """What is kept under `name`."""
        return await self._database.read(lambda tx: records.get(tx, agent_id, name))

    async def search(self, agent_id: str, query: str, *, limit: int) -> list[Memory]:
        """What fits `query` best, by its words and by its meaning; the newest if it is blank."""
        words = words_of(query)
        if not words:
            return await self._database.read(lambda tx: records.recent(tx, agent_id, limit))
        by_meaning: list[str] = []
        if self._meanings is not None:
            by_meaning = await self._meanings.search(agent_id, query, limit=limit)

        def work(tx: Tx) -> list[Memory]:
            by_words = records.search(tx, agent_id, words=words, limit=limit)
            known = {memory.name: memory for memory in by_words}
            best = fuse(list(known), by_meaning)[:limit]
            found = (known.get(name) or records.get(tx, agent_id, name) for name in best)
            return [memory for memory in found if memory is not None]

        return await self._database.read(work)

    async def forget(self, agent_id: str, name: str, *, provenance: Provenance = OWNER) -> bool:
        """Remove what is kept under `name`; False if there was nothing.

        Raises:
            ToolTrouble: If it was written for somebody who may do more.
        """

        def work(tx: Tx) -> bool:
            there = records.get(tx, agent_id, name)
            if there is not None and there.authority > provenance.authority:
                raise ToolTrouble(_NOT_YOURS)
            return records.delete(tx, agent_id, name)

        return await self._database.write(work)


def words_of(query: str) -> str:
    """An FTS5 expression: each word quoted, as a prefix unless it is tiny, joined with OR.

    A query is a model's text, so none of it may reach FTS5's own syntax: the
    pattern for a word lets no quote through.
    """
    words = _WORD.findall(query)[:_MAX_WORDS]
    return " OR ".join(f'"{word}"{"" if _is_tiny(word) else "*"}' for word in words)


def _is_tiny(word: str) -> bool:
    """Whether half the dictionary begins with it: `I`, `is`; not so where a sign is a word."""
    return len(word) < _MIN_PREFIX and word.isascii() and word.isalpha()
