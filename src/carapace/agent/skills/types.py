"""What a skill says about itself, and where it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from carapace.value import Value

__all__ = ["InstallKind", "InstallOption", "Needs", "Skill", "SkillSource"]

InstallKind = Literal["brew", "node", "go", "uv", "download"]


class SkillSource(StrEnum):
    """Where a skill was found, in the words of the Node gateway; later ones win by name."""

    EXTRA = "openclaw-extra"
    MANAGED = "openclaw-managed"
    WORKSPACE = "openclaw-workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What must be there before a skill is of use.

    Attributes:
        bins: Programs, all of them.
        any_bins: Programs, one of which is enough.
        env: Variables, all of them.
        config: Settings that must be set to something.
        os: Systems (`linux`, `darwin`, `win32`), one of which this must be; empty is any.
    """

    bins: tuple[str, ...] = ()
    any_bins: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    os: tuple[str, ...] = ()


class InstallOption(Value, frozen=True, kw_only=True):
    """One way to get what a skill needs.

    Attributes:
        id: How a client names it.
        kind: Which program installs.
        label: For people.
        bins: What is there afterwards.
        package: Formula, package, or module; empty for a download.
    """

    id: str
    kind: InstallKind
    label: str
    bins: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """One SKILL.md, read.

    Attributes:
        name: As people and models call it.
        key: As settings name it.
        description: When to use it; one line.
        base_dir: Its folder.
        is_always: Of use whatever is missing.
        is_hidden: Not listed for models.
        primary_env: The variable that its one key belongs to.
        install: Ways for this system.
        body: The text below the head.
    """

    name: str
    key: str
    description: str
    source: SkillSource
    base_dir: Path
    body: str = field(repr=False)
    homepage: str | None = None
    emoji: str | None = None
    is_always: bool = False
    is_hidden: bool = False
    primary_env: str | None = None
    needs: Needs = Needs()
    install: tuple[InstallOption, ...] = ()

    @property
    def file(self) -> Path:
        """Its SKILL.md."""
        return self.base_dir / "SKILL.md"

    @property
    def is_trusted(self) -> bool:
        """Whether only people can change it: an agent can write into its own workspace."""
        return self.source is not SkillSource.WORKSPACE

    @property
    def variables(self) -> frozenset[str]:
        """The variables it declares; no others are kept for it (advisory G15)."""
        primary = (self.primary_env,) if self.primary_env else ()
        return frozenset((*self.needs.env, *primary))
