"""Which programs this machine can start; asked for every skill at every turn, so remembered."""

from __future__ import annotations

import shutil
from typing import Final

from carapace.clock import Clock

__all__ = ["Programs"]

_REMEMBERED_S: Final = 30.0


class Programs:
    """Looks programs up in `search`, and remembers what it found for half a minute.

    Args:
        search: Folders as in `PATH`.
        clock: For how long.
    """

    def __init__(self, search: str, clock: Clock) -> None:
        self._search = search
        self._clock = clock
        self._found: dict[str, str | None] = {}
        self._since_s = clock.monotonic()

    def find(self, name: str) -> str | None:
        """Where the program is, or None. A name with a slash is none."""
        now_s = self._clock.monotonic()
        if now_s - self._since_s > _REMEMBERED_S:
            self.forget()
        if name not in self._found:
            is_name = bool(name) and "/" not in name
            self._found[name] = shutil.which(name, path=self._search) if is_name else None
        return self._found[name]

    def forget(self) -> None:
        """Look again from now on: something may have been installed."""
        self._found.clear()
        self._since_s = self._clock.monotonic()
