"""What an answer to a post means: is it there, may it be tried again, is it lost, who knows? Pure.

The rule behind each line: `RetryAfter` only if the other side surely did not take the message,
`Unknown` if it may have, and `Dead` if it will never take this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

import msgspec

from carapace.channels.types import Dead, Delivered, RetryAfter, SendOutcome, Unknown

__all__ = ["outcome_of", "retry_after_s"]

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_MAX_ID: Final = 512
_REQUEST_TIMEOUT: Final = 408
_CONFLICT: Final = 409
_NOT_TAKEN: Final = frozenset({425, 429, 503})
"""RFC 8470 5.2 (too early), RFC 6585 4 (too many requests), RFC 9110 15.6.4 (unavailable)."""
_NEVER: Final = frozenset({501, 505, 511})
"""The server does not do this at all: RFC 9110 15.6.2 and 15.6.6, RFC 6585 6."""


def outcome_of(
    status: int, headers: Mapping[str, str], body: bytes, *, key: str, now: datetime
) -> SendOutcome:
    """The outcome of a post.

    Args:
        status: Of the answer.
        headers: Of the answer; looked up by lower-case names.
        body: As much of it as was read.
        key: The idempotency key that was sent.
        now: Aware UTC, for a `Retry-After` that is a date.
    """
    after_s = retry_after_s(headers.get("retry-after"), now)
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
        return Delivered(message_id=_message_id(body))
    if status == _CONFLICT and key in {
        headers.get("idempotency-key"),
        _field(body, "idempotencyKey"),
    }:
        return Delivered(message_id=_message_id(body))
    if status == _REQUEST_TIMEOUT or status in _NOT_TAKEN:
        return RetryAfter(reason=f"the receiver answered {status}", after_s=after_s)
    if status >= 500 and status not in _NEVER:  # noqa: PLR2004 - RFC 9110, section 15.6
        return Unknown(reason=f"the receiver answered {status}", after_s=after_s)
    return Dead(reason=_refusal(status))


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """`Retry-After` as seconds from now (RFC 9110, section 10.2.3); None if it makes no sense."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _refusal(status: int) -> str:
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110, section 15.4
        return f"the receiver answered {status}: posts are not redirected, correct callbackUrl"
    if status in {401, 403}:
        return f"the receiver answered {status}: check that both sides have the same secret"
    return f"the receiver answered {status}"


def _message_id(body: bytes) -> str | None:
    found = _field(body, "id")
    return found if found and len(found) <= _MAX_ID else None


def _field(body: bytes, name: str) -> str | None:
    """A text field of a JSON object; None if the body is no such thing."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    found = cast("dict[str, object]", value).get(name)
    return found if isinstance(found, str) else None
