"""Whether a skill is of use on this machine, and what it lacks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from carapace.agent.skills.types import Needs, Skill
from carapace.value import Value

__all__ = ["Standing", "Surroundings", "is_set", "judge"]


class Surroundings(Value, frozen=True, kw_only=True):
    """What a skill may find.

    Attributes:
        has_bin: Whether a program of that name can be started.
        has_variable: Whether a variable has a value for a skill.
        config: The configuration as it is written, secrets hidden.
        system: As `sys.platform`.
        disabled: Keys of skills that are switched off.
    """

    has_bin: Callable[[str], bool]
    has_variable: Callable[[Skill, str], bool]
    config: Any
    system: str
    disabled: frozenset[str]


class Standing(Value, frozen=True, kw_only=True):
    """A skill and how it stands.

    Attributes:
        missing: The part of its needs that is not met.
        settings: Each setting that it needs, and whether that is set.
        is_disabled: Switched off in the settings.
        is_eligible: Nothing is missing and it is not switched off.
    """

    skill: Skill
    missing: Needs
    settings: tuple[tuple[str, bool], ...]
    is_disabled: bool
    is_eligible: bool


def judge(skill: Skill, around: Surroundings) -> Standing:
    """How `skill` stands; one that is `always` of use lacks nothing."""
    needs = skill.needs
    settings = tuple((path, is_set(around.config, path)) for path in needs.config)
    missing = Needs()
    if not skill.is_always:
        has_one = not needs.any_bins or any(map(around.has_bin, needs.any_bins))
        missing = Needs(
            bins=tuple(one for one in needs.bins if not around.has_bin(one)),
            any_bins=() if has_one else needs.any_bins,
            env=tuple(one for one in needs.env if not around.has_variable(skill, one)),
            config=tuple(path for path, is_met in settings if not is_met),
            os=() if not needs.os or around.system in needs.os else needs.os,
        )
    is_disabled = skill.key in around.disabled
    return Standing(
        skill=skill,
        missing=missing,
        settings=settings,
        is_disabled=is_disabled,
        is_eligible=not is_disabled and missing == Needs(),
    )


def is_set(config: Any, path: str) -> bool:
    """Whether the value at a dotted path is there and neither false, zero nor blank."""
    here: Any = config
    for part in path.split("."):
        if not isinstance(here, Mapping):
            return False
        here = cast("Mapping[str, Any]", here).get(part)
    return bool(here.strip()) if isinstance(here, str) else bool(here)
