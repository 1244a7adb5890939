"""Lanes: one turn at a time per session, so many turns in all, each in its order.

A machine without I/O. A message first reserves a place (so that nothing is written down that
could not be queued), then enters the queue of its session, is taken when its lane and the
house have room, and gives its lease back when it ends. Sessions with waiting turns take
turns themselves: a busy one cannot starve the others.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from carapace.errors import Refused
from carapace.ids import RunId, SessionKey

__all__ = ["MAX_QUEUED", "MAX_QUEUED_PER_SESSION", "Lanes"]

MAX_QUEUED: Final = 1_000
MAX_QUEUED_PER_SESSION: Final = 20


class Lanes:
    """Who runs, who waits, who is next.

    Args:
        max_running: Turns at once over all sessions.
        max_queued: Turns waiting over all sessions.
        max_queued_per_session: Turns waiting in one session.
    """

    def __init__(
        self,
        *,
        max_running: int,
        max_queued: int = MAX_QUEUED,
        max_queued_per_session: int = MAX_QUEUED_PER_SESSION,
    ) -> None:
        self.max_running = max_running
        self._max_queued = max_queued
        self._max_queued_per_session = max_queued_per_session
        self._waiting: dict[SessionKey, deque[RunId]] = {}
        self._reserved: dict[SessionKey, int] = {}
        self._leases: dict[RunId, SessionKey] = {}
        self._busy: dict[SessionKey, RunId] = {}
        self._next: deque[SessionKey] = deque()
        self._queued = 0

    @property
    def running(self) -> int:
        """How many leases are out."""
        return len(self._leases)

    @property
    def queued(self) -> int:
        """How many turns wait, reserved places included."""
        return self._queued

    def depth(self, key: SessionKey) -> int:
        """How many turns of `key` wait."""
        return len(self._waiting.get(key, ())) + self._reserved.get(key, 0)

    def is_free(self, key: SessionKey) -> bool:
        """Whether a turn of `key` that came now would start at once."""
        return (
            key not in self._busy and not self.depth(key) and len(self._leases) < self.max_running
        )

    def reserve(self, key: SessionKey) -> None:
        """Hold a place; follow with `enqueue` or `give_up`.

        Raises:
            Refused: If the session or the house has too many waiting; retryable.
        """
        if self.depth(key) >= self._max_queued_per_session:
            raise Refused(
                f"this session has {self._max_queued_per_session} messages waiting already; "
                "wait for an answer, or stop the running turn",
                retryable=True,
                retry_after_ms=1_000,
            )
        if self._queued >= self._max_queued:
            raise Refused(
                f"{self._max_queued} messages wait for an answer already; try again shortly",
                retryable=True,
                retry_after_ms=5_000,
            )
        self._reserved[key] = self._reserved.get(key, 0) + 1
        self._queued += 1

    def give_up(self, key: SessionKey) -> None:
        """Let a reserved place go."""
        left = self._reserved[key] - 1
        if left:
            self._reserved[key] = left
        else:
            del self._reserved[key]
        self._queued -= 1

    def enqueue(self, key: SessionKey, run_id: RunId) -> None:
        """Turn a reserved place into a waiting turn."""
        self.give_up(key)
        self._queued += 1
        waiting = self._waiting.setdefault(key, deque())
        waiting.append(run_id)
        if len(waiting) == 1 and key not in self._busy:
            self._next.append(key)

    def take(self) -> list[RunId]:
        """Lease out every turn that may start now; the caller must start each."""
        started: list[RunId] = []
        while self._next and len(self._leases) < self.max_running:
            key = self._next.popleft()
            run_id = self._waiting[key].popleft()
            if not self._waiting[key]:
                del self._waiting[key]
            self._queued -= 1
            self._leases[run_id] = key
            self._busy[key] = run_id
            started.append(run_id)
        return started

    def release(self, run_id: RunId) -> bool:
        """Give the lease of `run_id` back; False if it held none (it was released before)."""
        key = self._leases.pop(run_id, None)
        if key is None:
            return False
        del self._busy[key]
        if key in self._waiting:
            self._next.append(key)
        return True

    def withdraw(self, key: SessionKey, run_id: RunId) -> bool:
        """Take a waiting turn out of its queue; False if it does not wait."""
        waiting = self._waiting.get(key)
        if waiting is None or run_id not in waiting:
            return False
        waiting.remove(run_id)
        self._queued -= 1
        if not waiting:
            del self._waiting[key]
            if key in self._next:
                self._next.remove(key)
        return True
