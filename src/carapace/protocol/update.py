"""`update.run` as clients see it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["UpdateReport", "UpdateRun"]


class UpdateRun(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `update.run`; they matter to gateways that update themselves."""

    session_key: str | None = None
    note: str | None = None
    restart_delay_ms: Annotated[int, Meta(ge=0)] | None = None
    timeout_ms: Annotated[int, Meta(ge=1)] | None = None


class UpdateReport(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What stands beside the refusal, for programs: nothing was done, and why.

    Attributes:
        status: Always `skipped`: the gateway does not update itself.
        mode: How it was installed.
        root: Where.
        version: The one that runs.
        how: What a person has to do.
    """

    status: str
    mode: str
    reason: str
    root: str
    version: str
    how: str
