"""What a node may be asked: by its platform, by the settings, by what it was approved for.

Pure. The lists of the platforms are the Node gateway's, but for one thing: a platform that is not
on the closed list may be asked nothing, where the Node gateway lets it be asked everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, cast

from carapace.auth.platform import Platform
from carapace.config.settings.nodes import NodesSettings
from carapace.nodes.types import LiveNode

__all__ = [
    "ADMIN_COMMANDS",
    "BROWSER_COMMAND",
    "PLATFORM_COMMANDS",
    "allowed_commands",
    "asks_for_admin",
    "needs_admin",
    "refusal",
]

BROWSER_COMMAND: Final = "browser.proxy"

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
        BROWSER_COMMAND,
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
_PLAIN_PATH: Final = re.compile(
    r"/?|(?:/?[A-Za-z0-9_~-][A-Za-z0-9._~-]*)(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?"
)


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


def asks_for_admin(command: str, params: Any) -> bool:
    """Whether only an administrator may ask that, with those params.

    A browser's profiles outlast the request that makes or empties them, so what changes them is
    no writer's (advisory C13). An address that is not plainly written counts as one that does:
    the node may read it in another way than we do.
    """
    if command != BROWSER_COMMAND:
        return command in ADMIN_COMMANDS
    fields = cast("dict[str, Any]", params) if isinstance(params, dict) else {}
    method, path = fields.get("method", "GET"), fields.get("path", "/")
    if not isinstance(method, str) or not isinstance(path, str):
        return True
    if not _PLAIN_PATH.fullmatch(path):
        return True
    first = path.strip("/").partition("/")[0].lower()
    return first == "reset-profile" or (first == "profiles" and method.upper() != "GET")


def needs_admin(commands: Iterable[str]) -> bool:
    """Whether one of them runs programs or drives a browser: an administrator approves those."""
    return any(name.startswith(_RISKY) for name in commands)
