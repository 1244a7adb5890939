"""Skills as clients see them: `skills.status`, `skills.bins`, `skills.install`, `skills.update`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

__all__ = [
    "SkillBins",
    "SkillConfigCheck",
    "SkillInstall",
    "SkillInstalled",
    "SkillNeeds",
    "SkillOption",
    "SkillRow",
    "SkillUpdate",
    "SkillUpdated",
    "SkillsReport",
]

_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Value = Annotated[str, Meta(max_length=8_192)]


class SkillNeeds(msgspec.Struct, frozen=True, rename="camel"):
    """What a skill needs, or the part of that which is missing."""

    bins: tuple[str, ...]
    any_bins: tuple[str, ...]
    env: tuple[str, ...]
    config: tuple[str, ...]
    os: tuple[str, ...]


class SkillConfigCheck(msgspec.Struct, frozen=True, rename="camel"):
    """A setting that a skill needs."""

    path: str
    satisfied: bool


class SkillOption(msgspec.Struct, frozen=True, rename="camel"):
    """A way to install what it needs."""

    id: str
    kind: str
    label: str
    bins: tuple[str, ...]


class SkillRow(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One skill."""

    name: str
    description: str
    source: str
    file_path: str
    base_dir: str
    skill_key: str
    primary_env: str | None = None
    emoji: str | None = None
    homepage: str | None = None
    always: bool
    disabled: bool
    blocked_by_allowlist: bool
    eligible: bool
    requirements: SkillNeeds
    missing: SkillNeeds
    config_checks: tuple[SkillConfigCheck, ...]
    install: tuple[SkillOption, ...]


class SkillsReport(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `skills.status`: the default agent's skills by name."""

    workspace_dir: str
    managed_skills_dir: str
    skills: list[SkillRow]


class SkillBins(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `skills.bins`: every program that a skill speaks of, sorted."""

    bins: list[str]


class SkillInstall(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `skills.install`."""

    name: _Name
    install_id: _Name
    timeout_ms: Annotated[int, Meta(ge=1_000, description="Longest run of the command.")] = 300_000


class SkillInstalled(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `skills.install`; beside the error as well if it did not work."""

    ok: bool
    message: str
    stdout: str = ""
    stderr: str = ""
    code: int | None = None


class SkillUpdate(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `skills.update`; a blank key or value removes what is stored."""

    skill_key: _Name
    enabled: bool | None = None
    api_key: _Value | None = None
    env: dict[_Name, _Value] | None = None


class SkillUpdated(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `skills.update`; secrets in `config` are replaced by a marker."""

    ok: bool
    skill_key: str
    config: dict[str, Any]
