"""`wake`, `system-event`, `set-heartbeats`, `last-heartbeat`: what reaches the main session."""

from __future__ import annotations

import re
from typing import Any, Final

from carapace.agent.types import words_of
from carapace.errors import Refused
from carapace.ids import RunId, new_id
from carapace.methods.context import Context
from carapace.protocol.presence import PresenceEntry
from carapace.protocol.registry import AnyParams, Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.system import (
    Enabled,
    HeartbeatEvent,
    Ok,
    SetHeartbeats,
    SystemEventParams,
    WakeParams,
)

__all__ = ["METHODS", "presence_of"]

METHODS = Methods()
_MAX_TEXT: Final = 32_768
_MAX_FIELD: Final = 200
_MAX_LIST: Final = 32
_MAX_IDLE_S: Final = 10**9
_NODE_LINE: Final = "Node:"
_LINE: Final = re.compile(
    r"Node:\s*(?P<host>[^ (]+)\s*\((?P<ip>[^)]+)\)\s*·\s*app\s*(?P<version>[^·]+?)\s*·"
    r"\s*last input\s*(?P<idle>\d{1,9})s ago\s*·\s*mode\s*(?P<mode>[^·]+?)\s*·"
    r"\s*reason\s*(?P<reason>.+)",
    re.IGNORECASE,
)


@METHODS.method("last-heartbeat", scope=Scope.READ, lenient=True)
def last_heartbeat(ctx: Context, params: AnyParams) -> HeartbeatEvent | None:  # noqa: ARG001 - row shape
    """The newest heartbeat event since the start, or null."""
    return ctx.services.heartbeats.last


@METHODS.method("set-heartbeats", scope=Scope.ADMIN)
def set_heartbeats(ctx: Context, params: SetHeartbeats) -> Enabled:
    """Let heartbeats run or not, until the next start."""
    if not isinstance(params.enabled, bool):
        raise Refused("invalid set-heartbeats params: enabled (boolean) required")
    ctx.services.heartbeats.set_enabled(params.enabled)
    return Enabled(ok=True, enabled=params.enabled)


@METHODS.method("wake", scope=Scope.WRITE)
async def wake(ctx: Context, params: WakeParams) -> Ok:
    """Leave a text in the main session, and have a turn look at it now or with the next one."""
    text = params.text.strip()
    if not text:
        return Ok(ok=False)
    await _leave(ctx, text, wants_turn=params.mode == "now")
    if params.mode == "now":
        ctx.services.heartbeats.wake(ctx.services.profiles.default_id, "wake")
    return Ok(ok=True)


@METHODS.method("system-event", scope=Scope.ADMIN)
async def system_event(ctx: Context, params: SystemEventParams) -> Ok:
    """List a client among those present, and leave its text in the main session.

    A text that begins with `Node:` only says who is there, so it is listed and left nowhere.
    """
    services = ctx.services
    text = _plain(params.text, _MAX_TEXT)
    if text is None:
        raise Refused("text required")
    key, entry = presence_of(text, params, services.clock.now_ms())
    services.presence.noted(key, entry)
    if not text.startswith(_NODE_LINE):
        await _leave(ctx, text, wants_turn=False)
    services.presence_changed()
    return Ok(ok=True)


def presence_of(text: str, params: SystemEventParams, now_ms: int) -> tuple[str, PresenceEntry]:
    """How the sender is listed, and under which key; what is said beside the text wins."""
    match = _LINE.fullmatch(text)
    line = match.groupdict() if match else {}
    idle: Any = params.last_input_seconds
    if isinstance(idle, bool) or not isinstance(idle, int | float):
        idle = line.get("idle")
    entry = PresenceEntry(
        host=_plain(params.host) or _plain(line.get("host")),
        ip=_plain(params.ip) or _plain(line.get("ip")),
        version=_plain(params.version) or _plain(line.get("version")),
        platform=_plain(params.platform),
        device_family=_plain(params.device_family),
        model_identifier=_plain(params.model_identifier),
        mode=_plain(params.mode) or _plain(line.get("mode")),
        last_input_seconds=None if idle is None else _seconds(idle),
        device_id=_plain(params.device_id),
        roles=_names(params.roles),
        scopes=_names(params.scopes),
        instance_id=_plain(params.instance_id),
        reason=_plain(params.reason) or _plain(line.get("reason")),
        text=text[:_MAX_FIELD],
        ts=now_ms,
    )
    key = entry.device_id or entry.instance_id or entry.host or entry.ip or entry.text
    return key.lower(), entry


async def _leave(ctx: Context, text: str, *, wants_turn: bool) -> None:
    services = ctx.services
    agent_id = services.profiles.default_id
    key = services.sessions.key(f"agent:{agent_id}:main")
    note_id = RunId(new_id())
    words = words_of(ctx.caller.scopes)
    await services.wakes.leave(
        key, agent_id, note_id, text, provenance=words, wants_turn=wants_turn
    )


def _plain(value: Any, max_chars: int = _MAX_FIELD) -> str | None:
    """A text, or None for anything else and for blanks."""
    return (value.strip()[:max_chars] or None) if isinstance(value, str) else None


def _names(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    found = [_plain(one) for one in value[:_MAX_LIST]]  # pyright: ignore[reportUnknownVariableType] - any JSON
    kept = tuple(one for one in found if one is not None)
    return kept or None


def _seconds(value: Any) -> int:
    """Whole seconds: native decoders refuse a fraction, and no number is too large."""
    number = float(value)
    return int(min(max(number, 0.0), _MAX_IDLE_S)) if number == number else 0  # noqa: PLR0124 - NaN
