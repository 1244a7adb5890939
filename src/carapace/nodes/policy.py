"""What a node may be asked: by its platform, by the settings, by what it was approved for.

Pure. The lists of the platforms are the Node gateway's, but for one thing: a platform that is not
on the closed list may be asked nothing, where the Node gateway lets it be asked everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carapace.auth.platform import Platform
from carapace.config.settings.nodes import NodesSettings
from carapace.nodes.types import LiveNode

__all__ = ["ADMIN_COMMANDS", "PLATFORM_COMMANDS", "allowed_commands", "needs_admin", "refusal"]

_SCREEN: Final = frozenset(
    {
        "canvas.present",
        "canvas.hide",
        "canvas.navigate",
        "canvas.eval",
        "canvas.snapshot",
        "canvas.a2ui.push",
        "canvas.a2ui.pushJSONL",
        "canvas.a2ui.reset",
        "camera.list",
        "camera.snap",
        "camera.clip",
        "screen.record",
        "location.get",
    }
)
_SYSTEM: Final = frozenset(
    {
        "system.run",
        "system.which",
        "system.notify",
        "system.execApprovals.get",
        "system.execApprovals.set",
        "browser.proxy",
    }
)
PLATFORM_COMMANDS: Final = {
    Platform.IOS: _SCREEN,
    Platform.ANDROID: _SCREEN | {"sms.send"},
    Platform.MACOS: _SCREEN | _SYSTEM,
    Platform.LINUX: _SYSTEM,
    Platform.WINDOWS: _SYSTEM,
    Platform.UNKNOWN: frozenset[str](),
}
"""What each platform may be asked without a word in the settings (protocol 3, section 4)."""

ADMIN_COMMANDS: Final = frozenset(
    {"system.run", "system.execApprovals.get", "system.execApprovals.set"}
)
"""Commands whose caller must be an administrator, as for the method that does the same (Q09)."""

_RISKY: Final = ("system.", "browser.")


def allowed_commands(platform: Platform, settings: NodesSettings) -> frozenset[str]:
    """What a node of that platform may be asked at all."""
    extra = frozenset(name.strip() for name in settings.allow_commands)
    denied = frozenset(name.strip() for name in settings.deny_commands)
    return (PLATFORM_COMMANDS[platform] | extra) - denied


def refusal(command: str, node: LiveNode, settings: NodesSettings) -> str | None:
    """Why `node` is not asked that; None if it is."""
    if command not in allowed_commands(node.platform, settings):
        return "command not allowlisted"
    if not node.commands:
        return "node did not declare commands"
    if command not in node.commands:
        return "command not declared by node"
    return None


def needs_admin(commands: Iterable[str]) -> bool:
    """Whether one of them runs programs or drives a browser: an administrator approves those."""
    return any(name.startswith(_RISKY) for name in commands)
