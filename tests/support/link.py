"""Stand-ins for a connection, as the dispatcher and the hub see one."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.auth.types import Caller
from carapace.protocol.version import V3, Dialect


class FakeLink:
    """Satisfies `Link` and `Member`; keeps what it is told."""

    def __init__(self, caller: Caller, dialect: Dialect = V3) -> None:
        self.caller = caller
        self.dialect = dialect
        self.frames: list[dict[str, Any]] = []
        self.waiting: set[str] = set()
        self.closed: tuple[int, str] | None = None
        self.is_over_budget = False
        self.stalled_s = 0.0
        self._seq = 0

    def send(self, frame: bytes) -> None:
        self.frames.append(msgspec.json.decode(frame))

    def send_parts(self, parts: bytes, tail: bytes) -> None:
        self.send(parts + tail)

    def begin(self, request_id: str) -> None:
        self.waiting.add(request_id)

    def finish(self, request_id: str) -> bool:
        self.waiting.discard(request_id)
        return self.closed is None

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
