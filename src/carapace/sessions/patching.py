"""What a `sessions.patch` means: pure rules from params to changed fields.

Texts of refusals are those of the Node gateway; clients show them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import UNSET, UnsetType

from carapace.errors import Refused
from carapace.protocol.sessions import SessionsPatch
from carapace.sessions.keys import is_subagent
from carapace.sessions.types import ModelRef, SessionEntry, SessionPolicy
from carapace.value import Value

__all__ = ["ResolveModel", "changes_of", "split_model"]

ResolveModel = Callable[[str], ModelRef]
"""From what a person wrote to a model; raises `Refused` for one that may not be used."""

_THINKING: Final = ("off", "minimal", "low", "medium", "high")
_THINKING_ALIASES: Final = {
    "on": "low",
    "enable": "low",
    "enabled": "low",
    "min": "minimal",
    "mid": "medium",
    "med": "medium",
    "max": "high",
    "highest": "high",
    "ultra": "high",
}
# Understood but not offered: only some models know it, and providers map it for the rest.
_THINKING_EXTRA: Final = frozenset({"xhigh"})


class _Words(Value, frozen=True):
    """Which words a field takes: those its refusal names, and those it also understands."""

    wire_name: str
    offered: tuple[str, ...]
    also: tuple[str, ...] = ()


def split_model(ref: str, policy: SessionPolicy) -> ModelRef:
    """`provider/model` in its parts; a bare model belongs to the default provider.

    Raises:
        Refused: If a part is missing, or a bare name meets no default.
    """
    provider, slash, model = ref.strip().partition("/")
    if not slash and policy.model is not None:
        provider, model = policy.model.provider, provider
    if not provider.strip() or not model.strip():
        raise Refused(f"invalid model: {ref.strip()} (use provider/model)")
    return ModelRef(provider.strip().lower(), model.strip())


def changes_of(
    patch: SessionsPatch,
    entry: SessionEntry,
    policy: SessionPolicy,
    resolve_model: ResolveModel,
) -> dict[str, Any]:
    """Field names of `SessionEntry` with their new values; None clears.

    Raises:
        Refused: If a value is not one the field takes.
    """
    changes: dict[str, Any] = {}
    for name, rule in _RULES.items():
        value: str | UnsetType | None = getattr(patch, name)
        if value is not UNSET:
            changes[name] = None if value is None else rule(value)
    if patch.model is not UNSET:
        changes.update(_model(patch.model, policy, resolve_model))
    if patch.spawned_by is not UNSET:
        changes["spawned_by"] = _parent(patch.spawned_by, entry)
    return changes


def _word(words: _Words, value: str) -> str:
    word = value.strip().lower()
    if word not in words.offered and word not in words.also:
        offered = "|".join(f'"{one}"' for one in words.offered)
        raise Refused(f"invalid {words.wire_name} (use {offered})")
    return word


def _thinking(value: str) -> str:
    word = value.strip().lower()
    word = _THINKING_ALIASES.get(word, word)
    if word not in _THINKING and word not in _THINKING_EXTRA:
        raise Refused(f"invalid thinkingLevel (use {'|'.join(_THINKING)})")
    return word


def _filled(wire_name: str, value: str) -> str:
    text = value.strip()
    if not text:
        raise Refused(f"invalid {wire_name}: empty")
    return text


def _usage(value: str) -> str:
    return "tokens" if value == "on" else value


def _as_it_is(value: str) -> str:
    return value


_RULES: Final[dict[str, Callable[[str], str]]] = {
    "label": partial(_filled, "label"),
    "thinking_level": _thinking,
    "verbose_level": partial(_word, _Words("verboseLevel", ("on", "off"), ("full",))),
    "reasoning_level": partial(_word, _Words("reasoningLevel", ("on", "off", "stream"))),
    "elevated_level": partial(_word, _Words("elevatedLevel", ("on", "off", "ask", "full"))),
    "exec_host": partial(_word, _Words("execHost", ("sandbox", "gateway", "node"))),
    "exec_security": partial(_word, _Words("execSecurity", ("deny", "allowlist", "full"))),
    "exec_ask": partial(_word, _Words("execAsk", ("off", "on-miss", "always"))),
    "exec_node": partial(_filled, "execNode"),
    "response_usage": _usage,
    "send_policy": _as_it_is,
    "group_activation": _as_it_is,
}
"""What a value that is not null becomes."""


def _model(
    ref: str | None, policy: SessionPolicy, resolve_model: ResolveModel
) -> dict[str, str | None]:
    """The override, or none if the default was asked for."""
    if ref is None:
        return {"provider_override": None, "model_override": None}
    found = resolve_model(_filled("model", ref))
    if found == policy.model:
        return {"provider_override": None, "model_override": None}
    return {"provider_override": found.provider, "model_override": found.model}


def _parent(value: str | None, entry: SessionEntry) -> str | None:
    if value is None:
        if entry.spawned_by:
            raise Refused("spawnedBy cannot be cleared once set")
        return None
    parent = _filled("spawnedBy", value)
    if not is_subagent(entry.key):
        raise Refused("spawnedBy is only supported for subagent:* sessions")
    if entry.spawned_by and entry.spawned_by != parent:
        raise Refused("spawnedBy cannot be changed once set")
    return parent
