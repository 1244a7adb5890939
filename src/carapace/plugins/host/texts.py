"""What people are told of a plugin that cannot be called now: what, why, and what next. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from carapace.errors import Failed
from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host.crashes import CrashRules
from carapace.plugins.ports import LoadedPlugin

__all__ = ["begun_anew", "busy", "quarantined", "refused", "resting", "stopped"]

_BUSY_RETRY_MS: Final = 1_000


def stopped(plugin: LoadedPlugin) -> PluginUnavailable:
    """It is going away."""
    return PluginUnavailable(
        f"the plugin {plugin.id} is being stopped: try again when it is back, or see "
        "cara plugin list",
        retryable=True,
    )


def begun_anew(plugin: LoadedPlugin) -> PluginUnavailable:
    """The instance that was to be called is gone, and another has not been started yet."""
    return PluginUnavailable(
        f"the service of the plugin {plugin.id} ended before it could be called: try again when "
        "it was started again",
        retryable=True,
    )


def busy(plugin: LoadedPlugin, why: str) -> PluginUnavailable:
    """Others have it."""
    return PluginUnavailable(
        f"the plugin {plugin.id} is busy ({why}): try again in a moment",
        retryable=True,
        retry_after_ms=_BUSY_RETRY_MS,
    )


def resting(plugin: LoadedPlugin, reason: str, pause_s: float) -> PluginUnavailable:
    """It has no process, for a reason that was given before."""
    return PluginUnavailable(
        f"the plugin {plugin.id} does not run now: {reason}",
        retryable=True,
        retry_after_ms=max(1, round(pause_s * 1000)),
    )


def refused(plugin: LoadedPlugin, error: Failed) -> PluginUnavailable:
    """It did not load."""
    return PluginUnavailable(
        f"the plugin {plugin.id} {plugin.version} cannot run: {error.message}",
        retryable=error.retryable,
    )


def quarantined(
    plugin: LoadedPlugin, why: str, crashes: int, rules: CrashRules, *, again: datetime
) -> str:
    """The reason of a quarantine.

    Args:
        plugin: Which one.
        why: Of the last loss.
        crashes: How many there were in the window.
        rules: With the window.
        again: When it ends, in UTC.
    """
    minutes = round(rules.window_s / 60)
    how_often = "once more" if crashes == 1 else f"{crashes} times in {minutes} minutes"
    return (
        f"its process was lost {how_often}, at last because {why}. It is tried again at "
        f"{again:%Y-%m-%d %H:%M} UTC, or at once after: cara plugin enable {plugin.id}"
    )
