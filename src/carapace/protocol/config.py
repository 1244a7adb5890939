"""`config.*` as clients see it: writes, and what is said of the restart that may follow."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "ConfigChange",
    "ConfigSet",
    "ConfigWritten",
    "RestartReport",
    "RestartSentinel",
    "SentinelReport",
    "SentinelStats",
]

_Text = Annotated[str, Meta(min_length=1)]
_MAX_NOTE_CHARS = 4_000


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class ConfigSet(_In):
    """Params of `config.set`: the whole text, JSON5."""

    raw: Annotated[_Text, Meta(description="The new text, JSON5; markers keep what is stored.")]
    base_hash: Annotated[
        _Text | None, Meta(description="`hash` of config.get; needed if there is a file.")
    ] = None


class ConfigChange(_In):
    """Params of `config.apply` (the whole text) and `config.patch` (an RFC 7396 merge patch)."""

    raw: Annotated[_Text, Meta(description="JSON5; markers keep what is stored.")]
    base_hash: Annotated[
        _Text | None, Meta(description="`hash` of config.get; needed if there is a file.")
    ] = None
    session_key: Annotated[
        str | None, Meta(description="The session that is told after the restart.")
    ] = None
    note: Annotated[
        Annotated[str, Meta(max_length=_MAX_NOTE_CHARS)] | None,
        Meta(description="What it is told besides."),
    ] = None
    restart_delay_ms: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Wait so long before the restart; 2000 by default, at most 60000."),
    ] = None


class RestartReport(_Out, kw_only=True):
    """A restart that is going to happen, in this process."""

    ok: bool
    pid: int
    signal: Literal["SIGUSR1"]
    delay_ms: int
    reason: str
    mode: Literal["emit"]


class SentinelStats(_Out, kw_only=True):
    """What was done to which file."""

    mode: str
    root: str


class RestartSentinel(_Out, kw_only=True):
    """What is kept over the restart."""

    kind: Literal["config-apply"]
    status: Literal["ok"]
    ts: int
    session_key: str | None = None
    message: str | None
    doctor_hint: str
    stats: SentinelStats


class SentinelReport(_Out, kw_only=True):
    """Where it is kept, and what."""

    path: str
    payload: RestartSentinel


class ConfigWritten(_Out, kw_only=True):
    """The answer to `config.set`, `config.patch` and `config.apply`.

    Attributes:
        config: As in config.get, secrets hidden.
        restart: The restart that follows, if one does.
        sentinel: What is told after it.
    """

    ok: bool
    path: str
    config: Any
    restart: RestartReport | None = None
    sentinel: SentinelReport | None = None
