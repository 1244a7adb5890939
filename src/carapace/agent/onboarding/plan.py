"""From answers to what is written: a merge patch, and a key for the vault."""

from __future__ import annotations

from typing import Any

from carapace.agent.onboarding.machine import NO_CHANNEL
from carapace.agent.onboarding.types import SERVER, Answers, Facts, SetupPlan

__all__ = ["plan_of"]


def plan_of(facts: Facts, answers: Answers) -> SetupPlan:
    """What follows from complete answers. No secret gets into the patch."""
    provider = answers.provider or ""
    patch: dict[str, Any] = {"agents": {"defaults": _defaults(answers)}}
    entry = _provider(facts, answers)
    if entry:
        patch["models"] = {"providers": {provider: entry}}
    if answers.channel not in {None, NO_CHANNEL}:
        patch["channels"] = {answers.channel: {"enabled": True}}
    return SetupPlan(
        patch=patch, provider=provider, address=answers.address, key=answers.key or None
    )


def _defaults(answers: Answers) -> dict[str, Any]:
    model = f"{answers.provider}/{answers.model}" if answers.model else None
    defaults: dict[str, Any] = {"model": {"primary": model}}
    if answers.workspace:
        defaults["workspace"] = answers.workspace
    return defaults


def _provider(facts: Facts, answers: Answers) -> dict[str, Any]:
    """The entry of a provider that needs one: an address, or a model that is not known."""
    source = next(one for one in facts.sources if one.id == answers.provider)
    entry: dict[str, Any] = {}
    if answers.provider == SERVER:
        entry |= {"baseUrl": answers.address, "api": "openai-completions"}
    if source.wants_model:
        entry["models"] = [{"id": answers.model}]
    return entry
