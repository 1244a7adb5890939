"""The commands that run, and the last that ran, each seen by its own session only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from carapace.agent.exec.keeping import Fence, Kept, run
from carapace.agent.exec.types import Exit, OpenCommand
from carapace.agent.tools.registry import ToolTrouble
from carapace.clock import Clock
from carapace.ids import SessionKey
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = ["MAX_KEPT", "MAX_RUNNING", "Child", "Processes"]

MAX_RUNNING: Final = 16
MAX_RUNNING_OF_SESSION: Final = 8
MAX_KEPT: Final = 64
_log = get_logger(__name__)


class Child(Value, frozen=True, kw_only=True):
    """One command that was started.

    Attributes:
        child_id: For the session; short, because models have to repeat it.
        session_key: Whose.
        shown: The command for a person's eyes.
        started_at_ms: When.
        kept: Its output and its end.
    """

    child_id: str
    session_key: SessionKey
    shown: str
    started_at_ms: int
    kept: Kept

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.kept.exit is None


class Processes:
    """Starts, finds and ends commands.

    Args:
        folder: Where each gets a private folder; made if missing, emptied by whoever opens this.
        clock: For times.
        runner: What runs one; `keeping.run`.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        runner: Callable[..., Awaitable[None]] = run,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._runner = runner
        self._children: dict[str, Child] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = Tasks("exec", _report)
        self._count = 0

    def start(
        self, opened: OpenCommand, fence: Fence, session_key: SessionKey, *, timeout_s: float
    ) -> Child:
        """Start a command, which is taken over.

        Raises:
            ToolTrouble: If too many run, or the gateway stops.
        """
        try:
            self._check_room(session_key)
            self._count += 1
            child = Child(
                child_id=f"p{self._count}",
                session_key=session_key,
                shown=opened.command.shown,
                started_at_ms=self._clock.now_ms(),
                kept=Kept(),
            )
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            work = self._run(opened, fence, child, timeout_s)
            task = self._tasks.start(work, name=f"command {child.child_id}")
        except RuntimeError:
            opened.close()
            raise ToolTrouble("the gateway is stopping, so nothing is started") from None
        except BaseException:
            opened.close()
            raise
        self._children[child.child_id] = child
        self._running[child.child_id] = task
        task.add_done_callback(lambda _: self._ended(child, opened))
        return child

    async def _run(self, opened: OpenCommand, fence: Fence, child: Child, timeout_s: float) -> None:
        await self._runner(opened, fence, child.kept, timeout_s=timeout_s, folder=self._folder)

    def of(self, session_key: SessionKey) -> list[Child]:
        """The commands of a session, oldest first; of those that ended only the last ones."""
        return [one for one in self._children.values() if one.session_key == session_key]

    def get(self, session_key: SessionKey, child_id: str) -> Child:
        """One command of a session.

        Raises:
            ToolTrouble: If it has none of that name.
        """
        child = self._children.get(child_id)
        if child is None or child.session_key != session_key:
            raise ToolTrouble(f"there is no process {child_id!r} of this session; use list")
        return child

    async def end(self, child: Child) -> None:
        """End a command and all it started; one that has ended is left alone."""
        task = self._running.get(child.child_id)
        if task is not None:
            task.cancel()
        await child.kept.ended.wait()

    async def aclose(self) -> None:
        """End all commands and start no more."""
        await self._tasks.close()

    def _check_room(self, session_key: SessionKey) -> None:
        mine = sum(1 for one in self.of(session_key) if one.is_running)
        if mine >= MAX_RUNNING_OF_SESSION or len(self._running) >= MAX_RUNNING:
            raise ToolTrouble("too many commands run already: end one with process, or wait")

    def _ended(self, child: Child, opened: OpenCommand) -> None:
        self._running.pop(child.child_id, None)
        if child.kept.exit is None:  # it was cancelled before it began
            opened.close()
            child.kept.exit = Exit(killed=True)
            child.kept.ended.set()
        ended = [one for one in self._children.values() if not one.is_running]
        for one in ended[: max(0, len(ended) - MAX_KEPT)]:
            del self._children[one.child_id]


def _report(task: str, error: BaseException) -> None:
    _log.error("keeping a command failed", task=task, exc_info=error)
