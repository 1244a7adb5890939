"""From what a client sends to a job's specification, whole or as a patch (pure).

Texts of refusals are the Node gateway's where it has one; its clients show them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from carapace.errors import Failed, Refused
from carapace.ids import AgentId
from carapace.protocol.cron import (
    AgentTurn,
    AtSchedule,
    CronAdd,
    CronPatch,
    CronPayloadIn,
    CronSchedule,
    CronScheduleIn,
    EverySchedule,
    Payload,
    Schedule,
    SessionTarget,
    SystemEvent,
)
from carapace.triggers.cron.schedule import BadExpression, at_ms_of, check
from carapace.triggers.cron.types import CronSpec, Job

__all__ = ["changed", "spec_of"]

_BAD: Final = "; at /schedule: must match a schema in anyOf"
_NEEDED: Final = {"at": "atMs", "every": "everyMs", "cron": "expr"}
_TARGETS: Final[dict[str, SessionTarget]] = {"systemEvent": "main", "agentTurn": "isolated"}
_FIELDS: Final = {
    "at": frozenset({"at", "at_ms"}),
    "every": frozenset({"every_ms", "anchor_ms"}),
    "cron": frozenset({"expr", "tz"}),
}
_TURN_FIELDS: Final = (
    "message",
    "model",
    "thinking",
    "timeout_seconds",
    "deliver",
    "channel",
    "to",
    "best_effort_deliver",
)


def spec_of(asked: CronAdd) -> CronSpec:
    """What `cron.add` asks for.

    Raises:
        Refused: If fields are missing or do not go together.
        Failed: If the Node gateway fails on it so: an expression, target and payload.
    """
    payload = _payload(asked.payload, None, "cron.add")
    return _checked(
        CronSpec(
            name=_name(asked.name),
            schedule=_schedule(asked.schedule, "cron.add"),
            session_target=asked.session_target or _TARGETS[asked.payload.kind],
            wake_mode=asked.wake_mode,
            payload=payload,
            description=_plain(asked.description),
            agent_id=_agent(asked.agent_id),
            delete_after_run=asked.delete_after_run,
            isolation=asked.isolation,
        )
    )


def changed(job: Job, patch: CronPatch) -> Job:
    """The job as a patch wants it; when it is due next is not looked at.

    Raises:
        Refused: As `spec_of`.
        Failed: As `spec_of`.
    """
    given: dict[str, Any] = {
        field.name: value
        for field in msgspec.structs.fields(patch)
        if (value := getattr(patch, field.name)) is not msgspec.UNSET
    }
    enabled = given.pop("enabled", job.enabled)
    if "name" in given:
        given["name"] = _name(given["name"])
    if "description" in given:
        given["description"] = _plain(given["description"])
    if "agent_id" in given:
        given["agent_id"] = _agent(given["agent_id"])
    if "schedule" in given:
        given["schedule"] = _schedule(given["schedule"], "cron.update")
    if "payload" in given:
        given["payload"] = _payload(given["payload"], job.spec.payload, "cron.update")
    spec = _checked(msgspec.structs.replace(job.spec, **given))
    return replace(job, spec=spec, enabled=enabled)


def _schedule(given: CronScheduleIn, method: str) -> Schedule:
    kind = given.kind or _kind(given)
    if kind is None:
        raise Refused(
            f"invalid {method} params: at /schedule/kind: must be equal to constant{_BAD}"
        )
    names = frozenset(given.__struct_fields__) - {"kind"}
    others = sorted(name for name in names - _FIELDS[kind] if getattr(given, name) is not None)
    if others:
        name = msgspec.structs.fields(given)[given.__struct_fields__.index(others[0])].encode_name
        raise Refused(f"invalid {method} params: at /schedule: unexpected property '{name}'{_BAD}")
    found = _scheduled(kind, given)
    if found is None:
        need = f"at /schedule: must have required property '{_NEEDED[kind]}'"
        raise Refused(f"invalid {method} params: {need}{_BAD}")
    try:
        check(found)
    except BadExpression as error:
        raise Failed(f"TypeError: {error}") from None
    return found


def _kind(given: CronScheduleIn) -> str | None:
    if given.at is not None or given.at_ms is not None:
        return "at"
    if given.every_ms is not None:
        return "every"
    return "cron" if given.expr is not None else None


def _scheduled(kind: str, given: CronScheduleIn) -> Schedule | None:
    """The schedule, or None if what it needs is not there."""
    if kind == "every":
        return EverySchedule(given.every_ms, given.anchor_ms) if given.every_ms else None
    if kind == "cron":
        return CronSchedule(given.expr, given.tz or None) if given.expr else None
    at_ms = given.at_ms if isinstance(given.at_ms, int) else at_ms_of(given.at_ms or given.at or "")
    return None if at_ms is None else AtSchedule(at_ms)


def _payload(given: CronPayloadIn, before: Payload | None, method: str) -> Payload:
    """The payload that is given, over the one that was there if that is of the same kind."""
    if given.kind == "systemEvent":
        old = before.text if isinstance(before, SystemEvent) else None
        text = (given.text if given.text is not None else old) or ""
        if not text.strip():
            raise _missing(method, "text", given.kind)
        return SystemEvent(text)
    base = before if isinstance(before, AgentTurn) else AgentTurn(message="")
    wishes: dict[str, Any] = {
        name: value for name in _TURN_FIELDS if (value := getattr(given, name)) is not None
    }
    if given.provider is not None:  # what older clients call the channel
        wishes.setdefault("channel", given.provider)
    turn = msgspec.structs.replace(base, **wishes)
    if not turn.message.strip():
        raise _missing(method, "message", given.kind)
    return turn


def _missing(method: str, field: str, kind: str) -> Exception:
    if method == "cron.update":
        return Failed(f'Error: cron.update payload.kind="{kind}" requires {field}')
    return Refused(
        f"invalid {method} params: at /payload: must have required property '{field}'; "
        "at /payload: must match a schema in anyOf"
    )


def _checked(spec: CronSpec) -> CronSpec:
    is_turn = isinstance(spec.payload, AgentTurn)
    if spec.session_target == "main" and is_turn:
        raise Failed('Error: main cron jobs require payload.kind="systemEvent"')
    if spec.session_target == "isolated" and not is_turn:
        raise Failed('Error: isolated cron jobs require payload.kind="agentTurn"')
    return spec


def _name(text: str) -> str:
    name = text.strip()
    if not name:
        raise Failed("Error: cron job name is required")
    return name


def _plain(text: str | None) -> str | None:
    return (text or "").strip() or None


def _agent(text: str | None) -> AgentId | None:
    name = (text or "").strip().lower()
    return AgentId(name) if name else None
