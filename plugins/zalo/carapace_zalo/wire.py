"""The Bot API on the wire: requests as Zalo wants them, and what its answers mean. Pure.

`POST <api>/bot<token>/<method>` with a JSON object; the answer is `{ok: true, result}` or
`{ok: false, error_code, description}`. The token is part of the path, so what leaves here holds
a placeholder for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from carapace_zalo.accounts import Account
from carapace_zalo.ports import Answer, PortError, Ports, Request, Secret

__all__ = [
    "POLL_SECONDS",
    "SEND_TIMEOUT_MS",
    "Failure",
    "Success",
    "as_error",
    "call",
    "clean",
    "read",
    "request",
    "updates_request",
]

TOKEN_PLACE: Final = "{token}"  # noqa: S105 - where the token goes, not one
POLL_SECONDS: Final = 30
_POLL_MARGIN_S: Final = 5
SEND_TIMEOUT_MS: Final = 10_000
CONTROL_TIMEOUT_MS: Final = 5_000
_MAX_SAID: Final = 300
_WHOLE_SECONDS: Final = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Success:
    """Zalo did it; `result` is what it says of it."""

    result: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Zalo did not do it, or nobody knows.

    Attributes:
        code: Zalo's `error_code`, else the HTTP status.
        message: For people.
        is_understood: Whether the answer was one of the Bot API; else a proxy or an overloaded
            server spoke, and what happened behind it is not known.
        retry_after_ms: If Zalo says when to come back.
    """

    code: int
    message: str
    is_understood: bool = True
    retry_after_ms: int | None = None


def request(
    account: Account,
    method: str,
    fields: Mapping[str, str],
    *,
    timeout_ms: int = CONTROL_TIMEOUT_MS,
    secret_fields: Mapping[str, str] | None = None,
) -> Request:
    """A call of the Bot API.

    Args:
        account: Whose bot calls.
        method: E.g. `sendMessage`.
        fields: Of the JSON body.
        timeout_ms: How long to wait for the answer.
        secret_fields: Fields whose value is the secret of that name.
    """
    hidden = secret_fields or {}
    return Request(
        url=f"{account.api_url}/bot{TOKEN_PLACE}/{method}",
        body=json.dumps(dict(fields), ensure_ascii=False),
        secrets=(
            Secret(account.token_name, "path", TOKEN_PLACE),
            *(Secret(name, "json", f"/{field}") for field, name in hidden.items()),
        ),
        timeout_ms=timeout_ms,
    )


def updates_request(account: Account, seconds: int = POLL_SECONDS) -> Request:
    """The request for the next update: there is no offset, and what was read is gone.

    Args:
        account: Whose.
        seconds: How long Zalo may wait for one.
    """
    fields = {"timeout": str(seconds)}
    return request(account, "getUpdates", fields, timeout_ms=(seconds + _POLL_MARGIN_S) * 1_000)


def call(ports: Ports, asked: Request) -> Success | Failure:
    """Do it and read the answer.

    Raises:
        PortError: If there is none.
    """
    return read(ports.http.fetch(asked))


def read(answer: Answer) -> Success | Failure:
    """What an answer means."""
    value = _object(answer.text)
    wait_ms = _wait_ms(answer.retry_after)
    if value is None or not isinstance(value.get("ok"), bool):
        return Failure(
            code=answer.status,
            message=f"Zalo's server answered {answer.status} with something that is no answer "
            "of the Bot API. It may be overloaded; look again later.",
            is_understood=False,
            retry_after_ms=wait_ms,
        )
    if value["ok"] is True and answer.status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
        return Success(value.get("result"))
    code = value.get("error_code")
    number = code if isinstance(code, int) and not isinstance(code, bool) else answer.status
    return Failure(
        code=number,
        message=explain(number, clean(value.get("description"))),
        retry_after_ms=wait_ms,
    )


def explain(code: int, description: str) -> str:
    """A refusal of Zalo's in words, with what to do about it."""
    said = f' It says: "{description}".' if description else ""
    if code == 401:  # noqa: PLR2004 - RFC 9110, section 15.5.2
        return f"Zalo does not accept the bot token.{said} Set `botToken` anew."
    if code == 403:  # noqa: PLR2004 - RFC 9110, section 15.5.4
        return f"Zalo does not let this bot do that.{said} The person may have blocked it."
    if code == 429:  # noqa: PLR2004 - RFC 6585, section 4
        return f"Zalo wants fewer requests.{said} It is tried again later."
    return f"Zalo answered with error {code}.{said}"


def clean(value: object) -> str:
    """What the service says as one short line that can be shown."""
    if not isinstance(value, str):
        return ""
    line = "".join(char if char.isprintable() else " " for char in value)
    return " ".join(line.split())[:_MAX_SAID]


def as_error(failure: Failure) -> PortError:
    """A failure as what a call that has no outcome of its own raises."""
    transient = not failure.is_understood or failure.code in {408, 409, 429} or failure.code >= 500  # noqa: PLR2004 - RFC 9110, section 15.6
    return PortError(
        "refused" if failure.is_understood else "unavailable",
        failure.message,
        retryable=transient,
        retry_after_ms=failure.retry_after_ms,
    )


def _object(text: str) -> dict[str, object] | None:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _wait_ms(retry_after: str | None) -> int | None:
    """`Retry-After` in its form of seconds (RFC 9110, section 10.2.3)."""
    text = (retry_after or "").strip()
    return int(text) * 1_000 if _WHOLE_SECONDS.fullmatch(text) else None
