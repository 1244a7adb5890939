"""Error codes of the wire and the shape they travel in (protocol 3, section 2.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from carapace.errors import GatewayError

__all__ = ["ErrorCode", "ErrorShape", "error_shape"]


class ErrorCode(StrEnum):
    """The codes this gateway answers with; protocol 3 knows two more, for what is not here."""

    NOT_PAIRED = "NOT_PAIRED"
    INVALID_REQUEST = "INVALID_REQUEST"
    UNAVAILABLE = "UNAVAILABLE"


class ErrorShape(msgspec.Struct, rename="camel", omit_defaults=True):
    """`error` of a response frame."""

    code: str
    message: str
    details: dict[str, Any] | None = None
    retryable: bool | None = None
    retry_after_ms: int | None = None


def error_shape(error: GatewayError) -> ErrorShape:
    """What a client is told of `error`."""
    return ErrorShape(
        code=str(error.code),
        message=error.message,
        details=error.details,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
    )
