"""Puts together tool calls that arrive in pieces, within bounds."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from carapace.agent.providers.ports import ToolCall
from carapace.agent.providers.streaming import broken
from carapace.ids import new_id

__all__ = ["ToolCallPieces", "arguments_object"]

_MAX_CALLS = 128
_MAX_ARGUMENT_CHARS = 1_048_576


class _Growing:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class ToolCallPieces:
    """The tool calls of one answer while they grow, by the vendor's own index."""

    __slots__ = ("_calls", "_chars")

    def __init__(self) -> None:
        self._calls: dict[int | str, _Growing] = {}
        self._chars = 0

    def __len__(self) -> int:
        return len(self._calls)

    def add(
        self, index: int | str, *, call_id: str = "", name: str = "", arguments: str = ""
    ) -> None:
        """Another piece of the call at `index`.

        Raises:
            ProviderError: `BROKEN` beyond 128 calls or 1 MiB of arguments.
        """
        call = self._calls.get(index)
        if call is None:
            call = self._calls[index] = _Growing()
        call.id = call.id or call_id
        call.name = call.name or name
        if arguments:
            call.arguments.append(arguments)
            self._chars += len(arguments)
        if len(self._calls) > _MAX_CALLS or self._chars > _MAX_ARGUMENT_CHARS:
            raise broken("it asks for more tool calls than anyone could mean")

    def whole(self) -> Iterator[ToolCall]:
        """All calls, in the order they began; one without an id gets a fresh one."""
        for call in self._calls.values():
            yield ToolCall(
                call.id or f"call_{new_id()}", call.name, "".join(call.arguments) or "{}"
            )


def arguments_object(arguments: str) -> dict[str, object]:
    """A past call's arguments as the object vendors insist on; empty if the model broke them."""
    try:
        return msgspec.json.decode(arguments, type=dict[str, object])
    except msgspec.DecodeError:
        return {}
