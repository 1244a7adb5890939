"""The one door to the gateway: every capability goes through `call`.

Inside a component the generated bindings answer; natively whoever was put in place with
`use_backend`, which is a fake host in a test. All modules are imported when a plugin is built:
the standard library is not part of a component, only what that one run imported.
"""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from carapace_plugin.errors import HostError, NotGranted
from carapace_plugin.values import lift, lower

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["INTERFACES", "Backend", "call", "use_backend"]

Backend = Callable[[str, str, list[Any]], Any]
"""Interface, function and plain arguments; gives a plain value or raises `HostError`."""

INTERFACES: Final = {
    "log": "",
    "config": "",
    "status": "",
    "credentials": 'credentials = ["name"]',
    "kv": "kv_max_bytes = 1048576",
    "http": 'http = ["GET https://api.example/**"]',
    "media": "media = true",
    "inbound": "inbound = true",
    "timers": "timers = true",
    "poll": "poll = true",
    "websocket": 'websocket = ["wss://api.example/socket"]',
    "crypto": "crypto = true",
    "agent": "agent = true",
}
"""Import interfaces of the contract, with the line of plugin.toml that grants them."""


def call(interface: str, function: str, *arguments: Any) -> Any:
    """Ask the gateway.

    Raises:
        HostError: It could not, or would not.
        NotGranted: The manifest does not name this capability.
    """
    return _state.backend(interface, function, list(arguments))


@contextmanager
def use_backend(backend: Backend) -> Generator[None]:
    """Let `backend` answer while the context lasts."""
    before, _state.backend = _state.backend, backend
    try:
        yield
    finally:
        _state.backend = before


class _Bindings:
    """The bindings that componentize-py made for this plugin's world."""

    def __init__(self) -> None:
        self.err: Any = importlib.import_module("componentize_py_types").Err
        self._functions: dict[tuple[str, str], tuple[Any, list[Any]]] = {}
        for interface in INTERFACES:
            self._add(interface)

    def _add(self, interface: str) -> None:
        try:
            module = importlib.import_module(f"wit_world.imports.{interface}")
        except ModuleNotFoundError:
            return  # not granted, and `__call__` says so
        for name, member in vars(module).items():
            if getattr(member, "__module__", None) == module.__name__ and callable(member):
                if isinstance(member, type):
                    continue
                hints = typing.get_type_hints(member)
                hints.pop("return", None)
                self._functions[interface, name] = (member, list(hints.values()))

    def __call__(self, interface: str, function: str, arguments: list[Any]) -> Any:
        found = self._functions.get((interface, function.replace("-", "_")))
        if found is None:
            raise NotGranted(interface, INTERFACES[interface])
        member, hints = found
        given = [lower(value, hint) for value, hint in zip(arguments, hints, strict=True)]
        try:
            return lift(member(*given))
        except self.err as error:
            raise HostError.from_wire(lift(error.value)) from None


def _nobody(interface: str, function: str, _arguments: list[Any]) -> Any:
    raise RuntimeError(
        f"Nobody answers {interface}.{function} here. In a test write "
        "`with carapace_plugin.testing.FakeHost() as host:`."
    )


class _State:
    """Which backend answers; a component is one thread, and so is a test."""

    def __init__(self) -> None:
        try:
            self.backend: Backend = _Bindings()
        except ModuleNotFoundError:
            self.backend = _nobody


_state = _State()
