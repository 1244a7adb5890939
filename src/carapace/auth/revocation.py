"""Taking access back: live connections end, and handshakes under way cannot slip through."""

from __future__ import annotations

from collections.abc import Callable

from carapace.auth.types import Caller, CloseCallers

__all__ = ["Revocations"]


class Revocations:
    """Closes disowned connections and counts how often that happened.

    A handshake notes `epoch` before it looks at a credential and again when it is done: a
    change in between means that its connection was not yet there to be closed, so it is
    refused (advisory B08).
    """

    __slots__ = ("_close", "_epoch")

    def __init__(self, close: CloseCallers) -> None:
        self._close = close
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Grows with every revocation."""
        return self._epoch

    def disown(self, matches: Callable[[Caller], bool], reason: str) -> None:
        """Call it when the change is durable and before anything else is awaited."""
        self._epoch += 1
        self._close(matches, reason)
