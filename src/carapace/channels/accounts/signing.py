"""Which accounts are being signed in: begun by one call, waited for by another."""

from __future__ import annotations

from typing import Final

__all__ = ["WebLogin"]

_MAX_OPEN: Final = 32


class WebLogin:
    """The logins that were begun; the newest few, for they are forgotten with the process."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], bool] = {}

    def begin(self, channel: str, account: str, *, is_done: bool) -> None:
        """One was begun, or is done now."""
        self._open[channel, account] = is_done
        while len(self._open) > _MAX_OPEN:
            del self._open[next(iter(self._open))]

    def forget(self, channel: str, account: str) -> None:
        """Nobody waits for it any more; one that was not begun is none."""
        self._open.pop((channel, account), None)

    def channel_of(self, account: str) -> str | None:
        """Where an account of that name is being signed in."""
        return next((one for one, name in self._open if name == account), None)

    def is_done(self, channel: str, account: str) -> bool:
        """Whether it has succeeded."""
        return self._open.get((channel, account), False)
