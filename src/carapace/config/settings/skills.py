"""`skills.*`: folders that tell an agent how to do one kind of work."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from carapace.config.settings.setting import Name, Section, setting

__all__ = ["SkillEntry", "SkillInstallSettings", "SkillLoadSettings", "SkillsSettings"]


class SkillLoadSettings(Section, frozen=True):
    """Where skills lie."""

    extra_dirs: Annotated[
        tuple[Name, ...],
        setting(
            "Further folders of skills. Skills of the state folder and of the workspace win over "
            "those of the same name here.",
            live=True,
        ),
    ] = ()


class SkillInstallSettings(Section, frozen=True):
    """How what a skill needs is installed."""

    enabled: Annotated[
        bool,
        setting(
            "Let administrators run a skill's install command through `skills.install`. It runs "
            "as the gateway's own user and without a sandbox, so it is off.",
            live=True,
        ),
    ] = False
    prefer_brew: Annotated[
        bool, setting("Prefer Homebrew where it is there and the skill offers it.", live=True)
    ] = True
    node_manager: Annotated[
        Literal["npm", "pnpm", "yarn", "bun"],
        setting("Which program installs packages of Node.", live=True),
    ] = "npm"


class SkillEntry(Section, frozen=True):
    """What an operator says about one skill."""

    enabled: Annotated[bool, setting("Offer it to agents.", live=True)] = True
    api_key: Annotated[
        str | None,
        setting(
            "The value of its main variable; write `${NAME}` to take one of the gateway. Values "
            "given through `skills.update` are kept in the vault instead.",
            live=True,
            secret=True,
        ),
    ] = None
    env: Annotated[
        dict[Name, str],
        setting("Values of variables that the skill declares.", live=True, secret=True),
    ] = msgspec.field(default_factory=dict[str, str])
    config: Annotated[
        dict[str, Any],
        setting("Settings of its own, shown to the agent together with its text.", live=True),
    ] = msgspec.field(default_factory=dict[str, Any])


class SkillsSettings(Section, frozen=True):
    """Folders that tell an agent how to do one kind of work."""

    load: Annotated[SkillLoadSettings, setting("Where skills lie.", live=True)] = msgspec.field(
        default_factory=SkillLoadSettings
    )
    install: Annotated[SkillInstallSettings, setting("Installing what they need.", live=True)] = (
        msgspec.field(default_factory=SkillInstallSettings)
    )
    entries: Annotated[
        dict[Name, SkillEntry], setting("What holds for single skills, by key.", live=True)
    ] = msgspec.field(default_factory=dict[str, SkillEntry])
