"""The codes of errors that a capability gives a plugin: stable words for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from carapace.errors import Failed, Refused
from carapace.plugins.errors import GuestError

__all__ = ["MEANINGS", "Code", "guest_error", "of_gateway_error"]


class Code(StrEnum):
    """Why a capability said no."""

    INVALID_ARGUMENT = "invalid-argument"
    NOT_GRANTED = "not-granted"
    NOT_CONFIGURED = "not-configured"
    NOT_FOUND = "not-found"
    TOO_LARGE = "too-large"
    QUOTA = "quota"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    BAD_ANSWER = "bad-answer"
    CLOSED = "closed"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


MEANINGS: Final[dict[Code, str]] = {
    Code.INVALID_ARGUMENT: "The arguments do not fit the contract or contradict each other.",
    Code.NOT_GRANTED: "The manifest, or the operator, does not let this plugin do that.",
    Code.NOT_CONFIGURED: "It is granted, but the operator has not set what it needs.",
    Code.NOT_FOUND: "There is no such thing, or its time is over.",
    Code.TOO_LARGE: "A value, a request or an answer is longer than it may be.",
    Code.QUOTA: "The plugin holds as much as it may.",
    Code.REFUSED: "A rule of the gateway forbids it, whoever asks.",
    Code.UNREACHABLE: "The other side could not be reached, or broke off.",
    Code.TIMEOUT: "The other side did not answer in time.",
    Code.BAD_ANSWER: "The other side answered something that cannot be read as asked.",
    Code.CLOSED: "The connection is not open.",
    Code.UNAVAILABLE: "The gateway cannot do it now.",
    Code.INTERNAL: "The gateway failed; its log says how.",
}
"""One sentence for each code; `docs/explain/plugin-capabilities.md` repeats them."""

_RETRYABLE: Final = frozenset({Code.UNREACHABLE, Code.TIMEOUT, Code.UNAVAILABLE})


def guest_error(
    code: Code,
    message: str,
    *,
    retryable: bool | None = None,
    retry_after_ms: int | None = None,
) -> GuestError:
    """The err arm for a plugin.

    Args:
        code: Why.
        message: For people; never holds a secret, nor what another side said.
        retryable: Whether the same call may work later; if None, as the code suggests.
        retry_after_ms: How long to wait before that, if known.
    """
    again = code in _RETRYABLE if retryable is None else retryable
    return GuestError(code.value, message, retryable=again, retry_after_ms=retry_after_ms)


def of_gateway_error(error: Refused | Failed) -> GuestError:
    """What a service of the gateway raised, as a plugin is told."""
    if isinstance(error, GuestError):
        return error
    code = Code.REFUSED if isinstance(error, Refused) else Code.UNAVAILABLE
    return guest_error(
        code,
        error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
    )
