"""Keys that were used: the same call again gets the same answer and runs nothing twice.

Pure; times are arguments. An entry lives from the call on: while it runs, those who ask again wait
for the same answer; afterwards the answer is kept for five minutes, in bounded number and size.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import msgspec

from carapace.errors import Refused
from carapace.nodes.types import NodeCall, Outcome

__all__ = ["KEEP_S", "Replies", "Reply"]

KEEP_S: Final = 300.0
_MAX_ENTRIES: Final = 1_000
_MAX_BYTES: Final = 4 * 1_048_576

_Key = tuple[str, str, str]


@dataclass(slots=True)
class Reply:
    """One call and its answer.

    Attributes:
        answer: Done when the call has ended.
        ended_s: When that was.
        size_bytes: What it takes to keep.
    """

    call: NodeCall
    answer: asyncio.Future[Outcome]
    ended_s: float | None = None
    size_bytes: int = 0


class Replies:
    """The calls of the last minutes."""

    def __init__(self, *, max_entries: int = _MAX_ENTRIES, max_bytes: int = _MAX_BYTES) -> None:
        self._kept: OrderedDict[_Key, Reply] = OrderedDict()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, call: NodeCall, now_s: float) -> Reply | None:
        """The reply that this key has, if it was used.

        Raises:
            Refused: If it was used for something else.
        """
        self._expire(now_s)
        reply = self._kept.get(_key(call))
        if reply is None:
            return None
        known = reply.call
        if (known.command, known.params_json) != (call.command, call.params_json):
            raise Refused(
                "idempotencyKey was used for another command of this node: use a fresh key"
            )
        return reply

    def begin(self, call: NodeCall, answer: asyncio.Future[Outcome]) -> Reply:
        """`call` runs now."""
        reply = Reply(call, answer)
        self._kept[_key(call)] = reply
        return reply

    def end(self, reply: Reply, outcome: Outcome, now_s: float) -> None:
        """It has ended so; the oldest answers make room."""
        reply.ended_s = now_s
        reply.size_bytes = _size_bytes(outcome)
        self._bytes += reply.size_bytes
        self._kept.move_to_end(_key(reply.call))
        ended = [key for key, one in self._kept.items() if one.ended_s is not None]
        for key in ended:
            if len(self._kept) <= self._max_entries and self._bytes <= self._max_bytes:
                break
            self._drop(key)

    def _expire(self, now_s: float) -> None:
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if oldest.ended_s is None or now_s - oldest.ended_s < KEEP_S:
                break
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        self._bytes -= self._kept.pop(key).size_bytes


def _size_bytes(outcome: Outcome) -> int:
    if outcome.payload_json is not None:
        return len(outcome.payload_json)
    return len(msgspec.json.encode(outcome.payload))


def _key(call: NodeCall) -> _Key:
    return (call.caller_key, call.node_id, call.idempotency_key)
