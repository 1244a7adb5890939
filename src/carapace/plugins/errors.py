"""How a call of a plugin can end badly.

GatewayError
`- Failed
   |- GuestError          the plugin says no; its instance is well
   |- GuestTrap           the plugin was stopped; its instance is gone
   `- PluginUnavailable   there is nothing to call
"""

from __future__ import annotations

from typing import Final, Literal

from carapace.errors import Failed

__all__ = ["TRAP_KINDS", "GuestError", "GuestTrap", "PluginUnavailable", "TrapKind"]

TrapKind = Literal["deadline", "memory", "stack", "crash", "output", "size", "lost"]
"""Why a plugin was stopped.

`deadline` it took too long; `memory` it wanted more than it may have; `stack` it called itself too
deeply; `crash` it broke down by itself, or a call of the gateway could not be answered; `output`
it printed too much; `size` it gave a value that is too large; `lost` its process is gone.
"""

TRAP_KINDS: Final[tuple[TrapKind, ...]] = (
    "deadline",
    "memory",
    "stack",
    "crash",
    "output",
    "size",
    "lost",
)


class GuestError(Failed):
    """The error arm of a result, as `types.error` of the contract has it.

    Both ways: a plugin's answer to us, and a capability's answer to a plugin.

    Attributes:
        code: The plugin's (or the capability's) own, stable word for programs.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message, code=code, retryable=retryable, retry_after_ms=retry_after_ms)


class GuestTrap(Failed):
    """The plugin was stopped in the middle of a call.

    Attributes:
        kind: What it ran into.
        text: The last line of what the machine said, without anything the guest printed.
    """

    def __init__(self, kind: TrapKind, text: str) -> None:
        super().__init__(text, retryable=kind in {"deadline", "lost"})
        self.kind: TrapKind = kind
        self.text = text


class PluginUnavailable(Failed):
    """No call was made: the plugin is not installed, not enabled, resting or too busy."""
