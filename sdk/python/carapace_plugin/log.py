"""Lines in the gateway's log, under the plugin's name."""

from __future__ import annotations

from carapace_plugin.host import call

__all__ = ["debug", "error", "info", "warn"]


def debug(message: str) -> None:
    """What only helps to find a mistake."""
    call("log", "emit", "debug", message)


def info(message: str) -> None:
    """What an operator may want to know."""
    call("log", "emit", "info", message)


def warn(message: str) -> None:
    """What an operator should look at some day."""
    call("log", "emit", "warn", message)


def error(message: str) -> None:
    """What an operator should look at now."""
    call("log", "emit", "error", message)
