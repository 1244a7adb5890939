"""The fake host of the guest library, as capabilities of a plugin that runs in a worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from carapace.plugins.errors import GuestError
from carapace.plugins.ports import CapabilityCall
from carapace.plugins.sdk.cases import HostSays
from carapace.plugins.sdk.contract import testing

__all__ = ["FakeCapabilities"]


class FakeCapabilities:
    """A gateway in memory that can be made anew between two calls.

    Args:
        says: What it knows and answers.
        kv_max_bytes: As the manifest asks for.
    """

    def __init__(self, says: HostSays, *, kv_max_bytes: int) -> None:
        self._says = says
        self._kv_max_bytes = kv_max_bytes
        self._library = testing()
        self.host: Any = self._new_host()

    def renew(self) -> None:
        """Forget all that was asked and stored."""
        self.host = self._new_host()

    def calls(self, interfaces: Iterable[str]) -> dict[str, CapabilityCall]:
        """What a `LoadedPlugin` takes, for these import interfaces."""
        return {name: self._call_of(name) for name in interfaces}

    def _call_of(self, interface: str) -> CapabilityCall:
        async def call(function: str, arguments: list[Any]) -> Any:
            try:
                return self.host.call(interface, function, arguments)
            except self._library.HostError as error:
                raise GuestError(**error.to_wire()) from error

        return call

    def _new_host(self) -> Any:
        host: Any = self._library.FakeHost(
            config=self._says.config,
            credentials=self._says.credentials,
            kv_max_bytes=self._kv_max_bytes,
        )
        for planned in self._says.http:
            answer = self._library.answer(planned.status, planned.body)
            answer["headers"] = [
                {"name": name, "value": value} for name, value in planned.headers.items()
            ]
            host.on(planned.method, planned.url, answer)
        return host
