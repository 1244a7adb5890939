"""`logs.tail`: the gateway's own log, read by cursor."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["LogsTail", "LogsTailParams"]


class LogsTailParams(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `logs.tail`."""

    cursor: Annotated[int, Meta(ge=0, description="Byte offset of an earlier answer.")] | None = (
        None
    )
    limit: Annotated[int, Meta(ge=1, le=5000, description="Lines at most.")] = 500
    max_bytes: Annotated[int, Meta(ge=1, le=1_000_000, description="Bytes at most.")] = 250_000


class LogsTail(msgspec.Struct, rename="camel"):
    """Lines between two cursors; `reset` says that the file was rotated under the cursor."""

    file: str
    cursor: int
    size: int
    lines: list[str]
    truncated: bool
    reset: bool
