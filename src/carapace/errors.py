"""The tree of errors that cross rooms.

    GatewayError
    |- Refused     the caller's fault; the message is safe to show
    `- Failed      ours or a third party's; may be retryable

Expected outcomes are values, not exceptions.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Failed", "GatewayError", "Refused"]


class GatewayError(Exception):
    """A request could not be served.

    Attributes:
        code: One of `carapace.protocol.errors.ErrorCode`, as its text.
        message: For people: what happened, why, and the next step.
        retryable: Whether the same request may succeed later.
        retry_after_ms: How long to wait before that, if known.
        details: JSON-ready extra fields for programs.
        payload: Sent beside the error where a method answers so (`agent`).
    """

    code = "UNAVAILABLE"
    retryable: bool | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        details: dict[str, Any] | None = None,
        payload: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.details = details
        self.payload = payload


class Refused(GatewayError):  # noqa: N818 - reads as a sentence where it is raised
    """The caller asked for something it may not have or that makes no sense."""

    code = "INVALID_REQUEST"


class Failed(GatewayError):  # noqa: N818 - reads as a sentence where it is raised
    """We, or somebody we depend on, could not do what was rightly asked."""

    code = "UNAVAILABLE"
