"""From what a vendor says went wrong to whose fault it is.

Pure: a status, a body and a header in, a `ProviderError` out. Messages keep the vendor's own
words where there are any, on one line, capped, without control characters and secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, cast

import msgspec

from carapace.agent.providers.ports import ProviderError, ProviderFault

__all__ = [
    "clean",
    "error_from_event",
    "error_from_status",
    "message_of",
    "parse_retry_after",
]

_MAX_MESSAGE_CHARS = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_TOO_LONG = re.compile(
    r"context[ _](length|window)|maximum context|prompt is too long|too many tokens"
    r"|exceeds? the (maximum|limit|available context)|input token count",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(r"insufficient_quota|credit balance|billing|out of credits", re.IGNORECASE)
_BAD_KEY = re.compile(r"api[ _-]?key (not valid|invalid)|invalid api[ _-]?key", re.IGNORECASE)
_SERVER_ERROR = 500
_FAULT_OF_STATUS = {
    401: ProviderFault.AUTH,
    402: ProviderFault.AUTH,
    403: ProviderFault.AUTH,
    408: ProviderFault.OVERLOADED,
    413: ProviderFault.CONTEXT,
    429: ProviderFault.RATE_LIMIT,
}
_FAULT_OF_KIND = {
    "authentication_error": ProviderFault.AUTH,
    "billing_error": ProviderFault.AUTH,
    "permission_error": ProviderFault.AUTH,
    "insufficient_quota": ProviderFault.AUTH,
    "invalid_api_key": ProviderFault.AUTH,
    "rate_limit_error": ProviderFault.RATE_LIMIT,
    "rate_limit_exceeded": ProviderFault.RATE_LIMIT,
    "overloaded_error": ProviderFault.OVERLOADED,
    "api_error": ProviderFault.OVERLOADED,
    "unauthenticated": ProviderFault.AUTH,
    "permission_denied": ProviderFault.AUTH,
    "resource_exhausted": ProviderFault.RATE_LIMIT,
    "invalid_argument": ProviderFault.BAD_REQUEST,
    "timeout_error": ProviderFault.OVERLOADED,
    "server_error": ProviderFault.OVERLOADED,
    "server_is_overloaded": ProviderFault.OVERLOADED,
    "request_too_large": ProviderFault.CONTEXT,
    "context_length_exceeded": ProviderFault.CONTEXT,
    "invalid_request_error": ProviderFault.BAD_REQUEST,
    "invalid_prompt": ProviderFault.BAD_REQUEST,
    "not_found_error": ProviderFault.BAD_REQUEST,
}


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` on one line, without control characters and `secrets`, at most 500 characters."""
    text = " ".join(_CONTROL.sub(" ", text).split())
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    if len(text) > _MAX_MESSAGE_CHARS:
        return text[: _MAX_MESSAGE_CHARS - 1] + "…"
    return text


def message_of(body: bytes) -> tuple[str, str]:
    """The message and the kinds a vendor gave in an error body, both maybe empty.

    The kinds are `type`, `code` and `status` of the error object, joined by spaces.
    """
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        text = body[: 4 * _MAX_MESSAGE_CHARS].decode("utf-8", "replace")
        return ("" if text.lstrip().startswith("<") else text), ""
    return _of_value(value)


def _of_value(value: Any) -> tuple[str, str]:
    if isinstance(value, list):
        rows = cast("list[Any]", value)
        return _of_value(rows[0]) if rows else ("", "")
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, dict):
        return "", ""
    row = cast("dict[str, Any]", value)
    inner = row.get("error")
    if isinstance(inner, dict | str):
        return _of_value(inner)
    message = next((row[k] for k in ("message", "detail") if isinstance(row.get(k), str)), "")
    kinds = [row[k] for k in ("type", "code", "status") if isinstance(row.get(k), str)]
    return message, " ".join(kinds)


def error_from_status(
    status: int,
    body: bytes,
    *,
    retry_after_s: float | None = None,
    secrets: Iterable[str] = (),
) -> ProviderError:
    """What an HTTP answer that is no success means; the text is `HTTP <status>: <message>`."""
    message, kinds = message_of(body)
    text = clean(message, secrets) or _phrase(status)
    return ProviderError(
        _fault_of_answer(status, f"{kinds} {message}"),
        f"HTTP {status}: {text}",
        status=status,
        retry_after_s=retry_after_s,
    )


def error_from_event(kind: str, message: str, *, secrets: Iterable[str] = ()) -> ProviderError:
    """What an error inside a stream means that began well."""
    fault = _FAULT_OF_KIND.get(kind, ProviderFault.OVERLOADED)
    if _TOO_LONG.search(message):
        fault = ProviderFault.CONTEXT
    text = clean(message, secrets) or "the model stopped with an error and gave no reason"
    return ProviderError(fault, text)


def _fault_of_answer(status: int, said: str) -> ProviderFault:
    if _NO_MONEY.search(said) or _BAD_KEY.search(said):
        return ProviderFault.AUTH
    if status < _SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS and _TOO_LONG.search(said):
        return ProviderFault.CONTEXT
    if status >= _SERVER_ERROR:
        return ProviderFault.OVERLOADED
    return _FAULT_OF_STATUS.get(status, ProviderFault.BAD_REQUEST)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "the server gave no reason"


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds to wait from a `Retry-After` header, or None where it says nothing usable.

    Args:
        value: Seconds or an HTTP date.
        now: Aware UTC, to measure a date against.

    Source: RFC 9110 section 10.2.3
    """
    if not value:
        return None
    with suppress(ValueError):
        return _whole(float(value))
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    return max(0.0, (when - now).total_seconds())


def _whole(seconds: float) -> float | None:
    # A NaN fails both comparisons; an infinity or a negative wait is nonsense as well.
    return seconds if 0 <= seconds < float("inf") else None
