"""What can go wrong, in both directions.

PluginError     the plugin tells the gateway that something did not work
|- HostError    the gateway told the plugin so
`- NotGranted   the plugin asked for what its plugin.toml does not name
"""

from __future__ import annotations

from typing import Any

__all__ = ["HostError", "NotGranted", "PluginError"]


class PluginError(Exception):
    """Raise it to tell the gateway that a call did not work. Anything else counts as a crash.

    Args:
        code: Stable, for programs, as in `not-found`.
        message: For people: what happened, why, what to do.
        retryable: Whether the same call may work later.
        retry_after_ms: How long to wait before that, if known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms

    def to_wire(self) -> dict[str, Any]:
        """As the contract's record `error`."""
        return {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "retry_after_ms": self.retry_after_ms,
        }

    @classmethod
    def from_wire(cls, error: dict[str, Any]) -> PluginError:
        """The exception for a record `error`."""
        return cls(
            error["code"],
            error["message"],
            retryable=error["retryable"],
            retry_after_ms=error["retry_after_ms"],
        )


class HostError(PluginError):
    """The gateway could not, or would not, do what was asked."""


class NotGranted(PluginError):  # noqa: N818 - reads as a sentence where it is raised
    """The plugin's manifest does not ask for this capability."""

    def __init__(self, interface: str, line: str) -> None:
        super().__init__(
            "not-granted",
            f"This plugin may not use {interface}: add `{line}` to [permissions] in plugin.toml "
            "and build again.",
        )
