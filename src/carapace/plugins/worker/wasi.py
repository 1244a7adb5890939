"""The part of WASI that language runtimes insist on, with nothing behind it.

Clocks tick, random numbers are random, what is printed goes to the gateway's log, sleeping ends
with the call. There are no arguments, no environment, no files, no network: who asks gets the
answer of a machine that has none. All else traps by its name.

Source: WASI 0.2, as imported by componentize-py, componentize-js and componentize-qjs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

from wasmtime import component as wc

from carapace.plugins.errors import GuestTrap
from carapace.plugins.worker.running import RunningCall

__all__ = ["MiniWasi", "WasiFunction"]

WasiFunction = Callable[..., Any]
"""Takes the store and the guest's values, as the library gives them."""

_OK: Final = wc.Variant("ok")
_NONE: Final = wc.Variant("none")
_DENIED: Final = wc.Variant("err", "access-denied")
_END: Final = wc.Variant("err", wc.Variant("closed"))
_NANOSECONDS: Final = 1_000_000_000
_RESOLUTION_NS: Final = 1000
_MAX_WRITE_BYTES: Final = 4096
_MAX_RANDOM_BYTES: Final = 64 * 1024
_RESOURCES: Final = (
    "pollable",
    "output-stream",
    "input-stream",
    "error",
    "network",
    "descriptor",
    "directory-entry-stream",
    "terminal-input",
    "terminal-output",
    "tcp-socket",
    "udp-socket",
    "incoming-datagram-stream",
    "outgoing-datagram-stream",
    "resolve-address-stream",
)


class MiniWasi:
    """Answers for whichever instance runs.

    Args:
        running: The call that runs now.
    """

    def __init__(self, running: Callable[[], RunningCall]) -> None:
        self._running = running
        self._table: dict[str, WasiFunction] = {
            **self._clocks(),
            **self._streams(),
            **_chance(),
            **_nothing_there(),
        }

    def resource(self, name: str) -> int | None:
        """The number of a kind of handle; none if it is unknown."""
        return _RESOURCES.index(name) + 1 if name in _RESOURCES else None

    def drop(self, resource: str) -> Callable[[Any, int], None]:
        """What happens when the guest lets go of a handle of this kind."""

        def forget(_store: Any, handle: int) -> None:
            if resource == "pollable":
                self._running().pollables.drop(handle)

        return forget

    def function(self, interface: str, name: str) -> WasiFunction:
        """The answer to `io/poll` and `poll`; a refusal if there is none."""
        full = f"{interface}#{name}"
        return self._table.get(full) or _missing(full)

    def _clocks(self) -> dict[str, WasiFunction]:
        began_ns = time.monotonic_ns()

        def now(_store: Any) -> int:
            return time.monotonic_ns() - began_ns

        def at(_store: Any, instant_ns: int) -> Any:
            return self._pollable((instant_ns + began_ns) / _NANOSECONDS)

        def after(_store: Any, duration_ns: int) -> Any:
            return self._pollable(time.monotonic() + duration_ns / _NANOSECONDS)

        def date(_store: Any) -> Any:
            return _datetime(time.time_ns())

        def block(store: Any, handle: Any) -> None:
            self._running().wait_until(self._due_s(store, handle))

        def is_ready(store: Any, handle: Any) -> bool:
            return self._due_s(store, handle) <= time.monotonic()

        return {
            "clocks/monotonic-clock#now": now,
            "clocks/monotonic-clock#resolution": _always(_RESOLUTION_NS),
            "clocks/monotonic-clock#subscribe-instant": at,
            "clocks/monotonic-clock#subscribe-duration": after,
            "clocks/wall-clock#now": date,
            "clocks/wall-clock#resolution": _always(_datetime(_RESOLUTION_NS)),
            "io/poll#poll": self._poll,
            "io/poll#[method]pollable.block": block,
            "io/poll#[method]pollable.ready": is_ready,
        }

    def _streams(self) -> dict[str, WasiFunction]:
        def write(store: Any, handle: Any, data: bytes) -> Any:
            _number(store, handle)
            self._running().print(data)
            return _OK

        def ready(store: Any, handle: Any) -> Any:
            _number(store, handle)
            return self._pollable(0.0)

        out, into = "io/streams#[method]output-stream.", "io/streams#[method]input-stream."
        return {
            f"{out}check-write": _method(wc.Variant("ok", _MAX_WRITE_BYTES)),
            f"{out}write": write,
            f"{out}blocking-write-and-flush": write,
            f"{out}flush": _method(_OK),
            f"{out}blocking-flush": _method(_OK),
            f"{out}subscribe": ready,
            f"{into}read": _method(_END),
            f"{into}blocking-read": _method(_END),
            f"{into}skip": _method(_END),
            f"{into}blocking-skip": _method(_END),
            f"{into}subscribe": ready,
        }

    def _pollable(self, due_s: float) -> Any:
        return _own("pollable", self._running().pollables.add(due_s))

    def _due_s(self, store: Any, handle: Any) -> float:
        return self._running().pollables.due_s(_number(store, handle))

    def _poll(self, store: Any, handles: list[Any]) -> list[int]:
        if not handles:
            raise GuestTrap("crash", "it waited for nothing")
        due_s = [self._due_s(store, one) for one in handles]
        self._running().wait_until(min(due_s))
        now_s = max(time.monotonic(), min(due_s))
        return [at for at, one in enumerate(due_s) if one <= now_s]


def _always(answer: Any) -> WasiFunction:
    """A function with the same answer for everybody."""

    def give(_store: Any, *_values: Any) -> Any:
        return answer

    return give


def _method(answer: Any) -> WasiFunction:
    """A function of a handle, with the same answer for everybody."""

    def give(store: Any, handle: Any, *_values: Any) -> Any:
        _number(store, handle)
        return answer

    return give


def _handing(resource: str, number: int) -> WasiFunction:
    """A function that gives a new handle."""

    def give(_store: Any) -> Any:
        return _own(resource, number)

    return give


def _chance() -> dict[str, WasiFunction]:
    def some(_store: Any, size: int) -> bytes:
        if size > _MAX_RANDOM_BYTES:
            raise GuestTrap("size", f"it wanted {size} random bytes at once")
        return os.urandom(size)

    def number(_store: Any) -> int:
        return int.from_bytes(os.urandom(8), "little")

    def seed(_store: Any) -> tuple[int, int]:
        return number(None), number(None)

    return {
        "random/random#get-random-bytes": some,
        "random/random#get-random-u64": number,
        "random/insecure#get-insecure-random-bytes": some,
        "random/insecure#get-insecure-random-u64": number,
        "random/insecure-seed#insecure-seed": seed,
    }


def _nothing_there() -> dict[str, WasiFunction]:
    def leave(_store: Any, status: Any) -> None:
        raise GuestTrap("crash", f"it ended itself ({status.tag})")

    return {
        "cli/environment#get-environment": _always([]),
        "cli/environment#get-arguments": _always([]),
        "cli/environment#initial-cwd": _always(_NONE),
        "cli/exit#exit": leave,
        "cli/stdin#get-stdin": _handing("input-stream", 0),
        "cli/stdout#get-stdout": _handing("output-stream", 1),
        "cli/stderr#get-stderr": _handing("output-stream", 2),
        "cli/terminal-stdin#get-terminal-stdin": _always(_NONE),
        "cli/terminal-stdout#get-terminal-stdout": _always(_NONE),
        "cli/terminal-stderr#get-terminal-stderr": _always(_NONE),
        "filesystem/preopens#get-directories": _always([]),
        "filesystem/types#filesystem-error-code": _method(_NONE),
        "sockets/instance-network#instance-network": _handing("network", 1),
        "sockets/tcp-create-socket#create-tcp-socket": _always(_DENIED),
        "sockets/udp-create-socket#create-udp-socket": _always(_DENIED),
        "sockets/ip-name-lookup#resolve-addresses": _method(_DENIED),
    }


def _missing(name: str) -> WasiFunction:
    def refuse(*_: Any) -> Any:
        raise GuestTrap("crash", f"it called wasi:{name}, which plugins do not have")

    return refuse


def _own(resource: str, number: int) -> wc.ResourceHost:
    return wc.ResourceHost.own(number, _RESOURCES.index(resource) + 1)


def _number(store: Any, handle: Any) -> int:
    """The number behind a borrowed handle, which is closed: it would leak."""
    with handle:
        number: int = handle.to_host(store).rep
        return number


def _datetime(nanoseconds: int) -> Any:
    moment: Any = wc.Record()
    moment.seconds, moment.nanoseconds = divmod(nanoseconds, _NANOSECONDS)
    return moment
