"""Mappings of `hooks.mappings` and the presets: which fits a request, and what it makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from carapace.config.settings.hooks import HookMapping, HookMatch, HooksSettings
from carapace.triggers.hook_requests import (
    AgentHook,
    WakeHook,
    channel_of,
    thinking_of,
)
from carapace.triggers.hook_templates import Source, is_template, render
from carapace.triggers.webhook_types import BadBody

__all__ = [
    "PRESETS",
    "apply_mapping",
    "first_match",
    "path_of",
    "served_mappings",
    "settings_troubles",
]

PRESETS: Final[dict[str, HookMapping]] = {
    "gmail": HookMapping(
        id="gmail",
        match=HookMatch(path="gmail"),
        name="Gmail",
        message_template=(
            "An e-mail has come in.\n"
            "From: {{messages[0].from}}\n"
            "Subject: {{messages[0].subject}}\n\n"
            "{{messages[0].snippet}}\n\n"
            "{{messages[0].body}}"
        ),
    )
}
"""Mappings that are built in, by the name in `hooks.presets`."""

_OWN: Final = frozenset({"wake", "agent"})


def settings_troubles(settings: HooksSettings) -> list[str]:
    """What these settings ask for and cannot have, for people; nothing while hooks are off."""
    if not settings.enabled:
        return []
    if not (settings.token or "").strip():
        return ["hooks are enabled, but hooks.token is not set: set one, 32 characters or more"]
    return served_mappings(settings)[1]


def served_mappings(settings: HooksSettings) -> tuple[list[HookMapping], list[str]]:
    """The mappings that can be served, and why the others cannot, for people.

    A transform is code. It is never loaded from a path, so a mapping that needs one would send on
    what its author wanted changed; it is not served (advisory D19).
    """
    served: list[HookMapping] = []
    troubles: list[str] = []
    for number, mapping in enumerate(_all(settings)):
        name = mapping.id or f"number {number + 1}"
        if mapping.transform is not None:
            module = mapping.transform.module or ""
            troubles.append(
                f"the hook mapping {name} is not served: its transform {module[:80]!r} would be "
                "code; write a messageTemplate or textTemplate instead"
            )
        elif path_of(mapping) in _OWN:
            troubles.append(
                f"the hook mapping {name} is not served: {path_of(mapping)} is the gateway's own"
            )
        else:
            served.append(mapping)
    return served, troubles


def _all(settings: HooksSettings) -> Iterable[HookMapping]:
    """As in the file, the presets last: what somebody wrote comes first."""
    yield from settings.mappings
    for preset in settings.presets:
        yield PRESETS[preset]


def path_of(mapping: HookMapping) -> str | None:
    """What follows the base path, without slashes around it; None fits every path."""
    return (mapping.match.path or "").strip().strip("/") or None


def first_match(
    mappings: Sequence[HookMapping], path: str, body: Mapping[str, Any]
) -> HookMapping | None:
    """The first mapping for what was sent to `path`."""
    for mapping in mappings:
        wanted = path_of(mapping)
        if wanted is not None and wanted != path:
            continue
        if mapping.match.source is None or body.get("source") == mapping.match.source:
            return mapping
    return None


def apply_mapping(
    mapping: HookMapping, source: Source, channels: Sequence[str]
) -> WakeHook | AgentHook:
    """What a mapping makes of a request.

    Raises:
        BadBody: If that is empty or makes no sense.
    """
    if mapping.action == "wake":
        text = render(mapping.text_template or "", source).strip()
        if not text:
            raise BadBody("hook mapping requires text")
        return WakeHook(text=text, mode=mapping.wake_mode)
    message = render(mapping.message_template or "", source).strip()
    if not message:
        raise BadBody("hook mapping requires message")
    return AgentHook(
        message=message,
        agent_id=mapping.agent_id,
        is_agent_configured=True,
        session_key=render(mapping.session_key, source) if mapping.session_key else None,
        is_session_chosen=is_template(mapping.session_key),
        name=_name(mapping),
        deliver=mapping.deliver is not False,
        channel=channel_of(mapping.channel, channels),
        to=(render(mapping.to, source).strip() or None) if mapping.to else None,
        model=mapping.model,
        thinking=thinking_of(mapping.thinking),
        timeout_s=float(mapping.timeout_seconds) if mapping.timeout_seconds else None,
    )


def _name(mapping: HookMapping) -> str | None:
    """From the configuration alone: a name that the request could fill is not used."""
    named = [mapping.name, mapping.id]
    return next((one for one in named if one and not is_template(one)), None)
