"""The embedder on this machine: a child process that is there while it is of use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from carapace.agent.memory.engine import DIMS, MODEL
from carapace.agent.memory.ports import EmbedderTrouble, Hit, TroubleKind
from carapace.agent.memory.process import COMMAND, EmbedProcess
from carapace.agent.memory.wire import Embed, Found, Nearest, ToWorker, Vectors
from carapace.agent.providers.local_backoff import Crashes
from carapace.clock import Clock
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["IDLE_UNLOAD_S", "LocalEmbedder"]

IDLE_UNLOAD_S: Final = 300.0
_IDLE_CHECK_S: Final = 15.0
_LOAD_TIMEOUT_S: Final = 15.0
_ANSWER_TIMEOUT_S: Final = 60.0
_BYTES_A_NUMBER: Final = 2
log = get_logger(__name__)


class LocalEmbedder:
    """Owner of the child process; satisfies `Embedder`.

    Args:
        clock: For idleness and crashes.
        command: How the child is started.
        answer_timeout_s: Bound of one answer.
    """

    model = MODEL
    dims = DIMS

    def __init__(
        self,
        clock: Clock,
        *,
        command: Sequence[str] = COMMAND,
        answer_timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> None:
        self._clock = clock
        self._command = command
        self._answer_timeout_s = answer_timeout_s
        self._tasks = Tasks("embedder", _report)
        self._lock = asyncio.Lock()
        self._child: EmbedProcess | None = None
        self._idle_watch: asyncio.Task[None] | None = None
        self._used_s = clock.monotonic()
        self._crashes = Crashes()

    @property
    def pid(self) -> int | None:
        """The child's process id, None if there is none."""
        return self._child.pid if self._child is not None and self._child.is_alive else None

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """The vector of each text to be found later; see `Embedder`."""
        answer = await self._ask(Embed(tuple(texts)))
        size = self.dims * _BYTES_A_NUMBER
        if not isinstance(answer, Vectors) or len(answer.vectors) != size * len(texts):
            raise EmbedderTrouble(TroubleKind.REFUSED, "not one vector for each text")
        return [answer.vectors[at : at + size] for at in range(0, len(answer.vectors), size)]

    async def nearest(self, question: str, vectors: bytes, *, limit: int) -> list[Hit]:
        """The vectors nearest to `question`; see `Embedder`."""
        answer = await self._ask(Nearest(question, vectors, limit))
        if not isinstance(answer, Found):
            raise EmbedderTrouble(TroubleKind.REFUSED, "not an answer to the question")
        return [Hit(position, cosine) for position, cosine in answer.hits]

    async def close(self) -> None:
        """End the child, even amid an answer; the next request starts another."""
        if self._lock.locked() and self._child is not None:
            self._child.kill()
        async with self._lock:
            await self._let_go()
            self._crashes.clear()
        if self._idle_watch is not None:
            self._idle_watch.cancel()
            await asyncio.wait([self._idle_watch])
            self._idle_watch = None

    async def _ask(self, request: ToWorker) -> Vectors | Found:
        """One exchange at a time. It runs to its end even if the caller gives up.

        A search that came too late would else kill a child that only was slow.
        """
        answer = await asyncio.shield(self._tasks.start(self._exchange(request), name="ask"))
        if isinstance(answer, EmbedderTrouble):
            raise answer
        return answer

    async def _exchange(self, request: ToWorker) -> Vectors | Found | EmbedderTrouble:
        try:
            async with self._lock:
                child = await self._ready()
                answer = await child.ask(request, timeout_s=self._answer_timeout_s)
        except EmbedderTrouble as trouble:
            if trouble.kind in (TroubleKind.DIED, TroubleKind.LOAD):
                trouble.retry_after_s = self._crashed()
            return trouble
        self._crashes.clear()
        self._used_s = self._clock.monotonic()
        return answer

    async def _ready(self) -> EmbedProcess:
        if self._child is not None and self._child.is_alive:
            return self._child
        await self._let_go()
        if (wait_s := self._crashes.wait_s(self._clock.monotonic())) > 0:
            text = f"it stopped {self._crashes.count} times in a row"
            raise EmbedderTrouble(TroubleKind.WAITING, text, retry_after_s=wait_s)
        self._child = await EmbedProcess.start(self._command, load_timeout_s=_LOAD_TIMEOUT_S)
        self._used_s = self._clock.monotonic()
        log.info("memory model loaded", model=self.model, load_ms=self._child.load_ms)
        if self._idle_watch is None or self._idle_watch.done():
            self._idle_watch = self._tasks.start(self._watch_idleness(), name="idle")
        return self._child

    def _crashed(self) -> float:
        now_s = self._clock.monotonic()
        self._crashes.add(now_s)
        return self._crashes.wait_s(now_s)

    async def _watch_idleness(self) -> None:
        """Let the child go once nothing was asked for long enough."""
        while self._child is not None:
            await self._clock.sleep(_IDLE_CHECK_S)
            async with self._lock:
                if self._clock.monotonic() - self._used_s >= IDLE_UNLOAD_S:
                    log.info("memory model unloaded", idle_s=IDLE_UNLOAD_S)
                    await self._let_go()

    async def _let_go(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.close()


def _report(name: str, error: BaseException) -> None:
    log.error("task of the memory model failed", task=name, reason=repr(error))
