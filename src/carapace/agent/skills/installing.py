"""Which command installs what a skill needs. Pure: a skill names a package, never a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.agent.skills.types import InstallOption
from carapace.config.settings.skills import SkillInstallSettings

__all__ = ["choose", "command"]

_NODE: Final = {
    # Packages must not run their own scripts while they are installed.
    "npm": ("npm", "install", "-g", "--ignore-scripts"),
    "pnpm": ("pnpm", "add", "-g", "--ignore-scripts"),
    "yarn": ("yarn", "global", "add", "--ignore-scripts"),
    "bun": ("bun", "add", "-g", "--ignore-scripts"),
}
_FIRST: Final = ("uv", "node", "brew", "go", "download")


def command(option: InstallOption, settings: SkillInstallSettings) -> tuple[str, ...] | None:
    """Program and arguments, or None where a person has to do it."""
    match option.kind:
        case "brew":
            return ("brew", "install", option.package)
        case "node":
            return (*_NODE[settings.node_manager], option.package)
        case "go":
            module = option.package if "@" in option.package else f"{option.package}@latest"
            return ("go", "install", module)
        case "uv":
            return ("uv", "tool", "install", option.package)
        case "download":
            return None


def choose(
    options: tuple[InstallOption, ...],
    settings: SkillInstallSettings,
    *,
    has_bin: Callable[[str], bool],
) -> tuple[InstallOption, ...]:
    """What a client is offered: the best way alone, or all if every one is a download.

    The best is one whose program is here; Homebrew first if that is preferred.
    """
    if all(one.kind == "download" for one in options):
        return options

    def rank(option: InstallOption) -> tuple[bool, bool, int]:
        argv = command(option, settings)
        is_possible = argv is not None and has_bin(argv[0])
        is_brew = option.kind == "brew" and settings.prefer_brew
        return (not is_possible, not is_brew, _FIRST.index(option.kind))

    return (min(options, key=rank),)
