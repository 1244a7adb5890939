"""The desktop's keyring, and only a real one.

The library would quietly fall back to a plain-text file if some package offers one, or take
whatever an environment variable names. So the backend is chosen here, from three classes.
Calls may block on a prompt or a dead bus: they run in a daemon thread with a deadline.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from carapace.errors import Failed

__all__ = ["Keyring", "OsKeyring", "is_desktop", "within"]

_T = TypeVar("_T")
_SERVICE: Final = "carapace"
_BACKENDS: Final = {
    "linux": ("keyring.backends.SecretService", "Keyring"),
    "darwin": ("keyring.backends.macOS", "Keyring"),
    "win32": ("keyring.backends.Windows", "WinVaultKeyring"),
}


class Keyring(Protocol):
    """A place for one small secret; calls block."""

    def get(self, name: str) -> str | None:
        """The secret, or None."""
        ...

    def put(self, name: str, value: str) -> None:
        """Keep it; raises whatever the operating system says if it cannot."""
        ...


class OsKeyring:
    """The Secret Service, the macOS keychain or the Windows credential manager."""

    __slots__ = ("_backend",)

    def __init__(self) -> None:
        self._backend: Any = None  # the library is untyped

    def get(self, name: str) -> str | None:
        """The secret, or None."""
        value: object = self._open().get_password(_SERVICE, name)
        return value if isinstance(value, str) else None

    def put(self, name: str, value: str) -> None:
        """Keep it."""
        self._open().set_password(_SERVICE, name, value)

    def _open(self) -> Any:
        if self._backend is None:
            module, name = _BACKENDS[sys.platform]
            # Imported here: it costs tens of milliseconds and most machines need none.
            backend = getattr(importlib.import_module(module), name)
            if backend.priority <= 0:
                raise Failed("the desktop's keyring is not usable here")
            self._backend = backend()
        return self._backend


def is_desktop(env: Mapping[str, str]) -> bool:
    """Whether a keyring is worth asking for: there is a session to unlock it."""
    if sys.platform in ("darwin", "win32"):
        return True
    has_screen = "DISPLAY" in env or "WAYLAND_DISPLAY" in env
    return sys.platform in _BACKENDS and has_screen and "DBUS_SESSION_BUS_ADDRESS" in env


async def within(deadline_s: float, call: Callable[[], _T]) -> _T:
    """Run a blocking `call` in a daemon thread; the thread is abandoned at the deadline.

    Raises:
        TimeoutError: If it has not answered by then.
        Failed: Whatever it raised, as one kind.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(Failed(f"{type(error).__name__}: the keyring refused"))

    def run() -> None:
        value, error = None, None
        try:
            value = call()
        except Exception as caught:  # noqa: BLE001 - backends raise what their platform has
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    # Not to_thread: the loop would wait for a hanging keyring when it closes.
    threading.Thread(target=run, name="keyring", daemon=True).start()
    async with asyncio.timeout(deadline_s):
        return await answer
