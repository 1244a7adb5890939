"""Keeps the vectors of memories current in the background, and searches them.

The database is the queue: a memory without a vector is work to do, so that nothing is lost in
a crash and nothing has to be bounded in memory.
"""

from __future__ import annotations

import asyncio
from typing import Final, Literal

from carapace.agent.memory import records
from carapace.agent.memory.fusion import near
from carapace.agent.memory.ports import Embedder, EmbedderTrouble, TroubleKind
from carapace.agent.memory.records import Pending
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.store.ports import Database
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["MAX_TEXT_CHARS", "Meanings", "VectorsMode"]

VectorsMode = Literal["auto", "off"]

MAX_TEXT_CHARS: Final = 2_000
"""How much of a memory its vector stands for: what the model reads at once."""

_BATCH: Final = 16
_SEARCH_TIMEOUT_S: Final = 5.0
_MIN_PAUSE_S: Final = 1.0
_DATABASE_PAUSE_S: Final = 60.0
_MAX_QUESTION_CHARS: Final = 500
log = get_logger(__name__)


class Meanings:
    """Finds memories by what they mean, if it can.

    Args:
        database: Where memories and vectors are.
        embedder: Makes vectors.
        clock: For pauses after trouble.
        mode: `memory.vectors`.

    Attributes:
        embedder: For others who want vectors; it may be asked whatever the mode is.
    """

    def __init__(
        self, database: Database, embedder: Embedder, clock: Clock, *, mode: VectorsMode = "auto"
    ) -> None:
        self._database = database
        self.embedder = embedder
        self._clock = clock
        self._mode: VectorsMode = mode
        self._tasks = Tasks("meanings", _report)
        self._wake = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._trouble: EmbedderTrouble | None = None
        self._suspect: int | None = None

    @property
    def is_on(self) -> bool:
        """Whether it makes sense to ask."""
        return self._mode == "auto" and not self._is_missing

    @property
    def _is_missing(self) -> bool:
        return self._trouble is not None and self._trouble.kind is TroubleKind.MISSING

    def start(self) -> None:
        """Begin the background work: first what an earlier process left undone."""
        self._tasks.start(self._keep_current(), name="keep current")
        self._wake.set()

    def changed(self) -> None:
        """A memory was written."""
        self._is_idle.clear()
        self._wake.set()

    def apply(self, mode: VectorsMode) -> None:
        """Take a new value of `memory.vectors`."""
        if mode != self._mode:
            self._mode = mode
            self._trouble = None  # an extra that was missing may be there now
            self.changed()

    def check(self) -> str | None:
        """Why memories are found by their words alone; None if they are not, or it is wanted so."""
        if self._mode == "off" or self._trouble is None:
            return None
        if self._is_missing:
            return (
                "memories are found by their words alone: the extra for search by meaning is not "
                'installed. Install it with: pip install "carapace-gateway[memory]"'
            )
        return f"memories are found by their words alone for now: {self._trouble}"

    async def search(self, agent_id: str, question: str, *, limit: int) -> list[str]:
        """Names of the agent's memories that mean about the same, best first.

        Empty as well if there is nothing to compare, or it cannot be done in five seconds: words
        alone then have to do.
        """
        if not self.is_on:
            return []
        model = self.embedder.model
        found = await self._database.read(lambda tx: records.candidates(tx, agent_id, model))
        if not found.names:
            return []
        try:
            async with asyncio.timeout(_SEARCH_TIMEOUT_S):
                hits = await self.embedder.nearest(
                    question[:_MAX_QUESTION_CHARS], found.vectors, limit=limit
                )
        except EmbedderTrouble as trouble:
            self._failed(trouble)
            return []
        except TimeoutError:
            log.info("search by meaning took too long, words alone were used")
            return []
        self._worked()
        return [found.names[hit.position] for hit in near(hits)]

    async def caught_up(self) -> None:
        """Wait until no memory is left to do, or nothing can be done."""
        await self._is_idle.wait()

    async def close(self) -> None:
        """Stop; what is undone is done after the next start."""
        await self._tasks.close()
        await self.embedder.close()

    async def _keep_current(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._mode == "off":
                await self.embedder.close()
            try:
                while self.is_on and (batch := await self._next_batch()):
                    await self._do(batch)
            except GatewayError as error:  # the database is busy or full; the work is still there
                log.warning("vectors of memories have to wait", reason=error.message)
                await self._clock.sleep(_DATABASE_PAUSE_S)
                self._wake.set()
            if not self._wake.is_set():
                self._is_idle.set()

    async def _next_batch(self) -> list[Pending]:
        """What is done at once: little, so that a search need not wait for long."""
        model = self.embedder.model
        todo = await self._database.read(lambda tx: records.pending(tx, model, _BATCH))
        if self._suspect is not None:
            return todo[:1]
        room, batch = MAX_TEXT_CHARS, list[Pending]()
        for one in todo:
            room -= len(_said(one))
            if batch and room < 0:
                break
            batch.append(one)
        return batch

    async def _do(self, batch: list[Pending]) -> None:
        try:
            vectors = await self.embedder.embed([_said(one) for one in batch])
        except EmbedderTrouble as trouble:
            self._failed(trouble)
            if trouble.kind is TroubleKind.MISSING:
                return
            if trouble.kind in (TroubleKind.DIED, TroubleKind.REFUSED):
                await self._suspected(batch)
            await self._clock.sleep(max(_MIN_PAUSE_S, trouble.retry_after_s))
            return
        self._suspect = None
        await self._put(dict(zip(batch, vectors, strict=True)))
        self._worked()

    async def _suspected(self, batch: list[Pending]) -> None:
        """One of these may be what the model cannot take: go on one by one, each twice at most."""
        first = batch[0]
        if len(batch) == 1 and self._suspect == first.row_id:
            log.warning("a memory cannot be searched by meaning", name=first.name)
            await self._put({first: None})
            return
        self._suspect = first.row_id

    async def _put(self, vectors: dict[Pending, bytes | None] | dict[Pending, bytes]) -> None:
        model, dims = self.embedder.model, self.embedder.dims
        await self._database.write(
            lambda tx: [
                records.put(tx, one, model=model, dims=dims, vector=vector)
                for one, vector in vectors.items()
            ]
        )

    def _failed(self, trouble: EmbedderTrouble) -> None:
        is_news = self._trouble is None
        self._trouble = trouble
        if not is_news:
            return
        if trouble.kind is TroubleKind.MISSING:
            log.info("search by meaning is not installed", extra="carapace-gateway[memory]")
        else:
            log.warning("search by meaning failed, words alone are used", reason=str(trouble))

    def _worked(self) -> None:
        if self._trouble is not None:
            log.info("search by meaning works again")
        self._trouble = None


def _said(memory: Pending) -> str:
    """What stands for a memory: its name often says what the text is about."""
    return f"{memory.name}\n{memory.text}"[:MAX_TEXT_CHARS]


def _report(name: str, error: BaseException) -> None:
    log.error("task of the memory failed", task=name, reason=repr(error))
