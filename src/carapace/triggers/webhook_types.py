"""What passes between the listening server, the webhook kernel and the owners of routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from carapace.errors import Refused
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = [
    "MAX_BODY_BYTES",
    "TEXT",
    "BadBody",
    "RawRequest",
    "ReadBody",
    "Rejected",
    "Replay",
    "RequestHead",
    "Step",
    "TooLong",
    "Verified",
    "VerifiedRequest",
    "Verify",
    "WebhookAnswer",
    "WebhookRoute",
    "plain",
]

MAX_BODY_BYTES: Final = 262_144
TEXT: Final = "text/plain; charset=utf-8"
_REPLAY_TTL_S: Final = 86_400.0


class Step(StrEnum):
    """The order of work. A request is answered at the first step that it does not pass."""

    METHOD = "method"
    ROUTE = "route"
    BUDGET = "budget"
    BODY = "body"
    SIGNATURE = "signature"
    REPLAY = "replay"
    PARSE = "parse"
    AUTHORISE = "authorise"
    PERSIST = "persist"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """A request before its body was read.

    Attributes:
        method: In capitals.
        path: As it was sent: nothing is decoded, no slash is added or taken away.
        query: What follows the question mark, as it was sent.
        headers: Names in lower case; a header that was repeated has several values.
        client_ip: The client's address, as far as trusted proxies vouch for it.
        content_length: What the client says, or None.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, tuple[str, ...]]
    client_ip: str
    content_length: int | None = None

    def header(self, name: str) -> str | None:
        """The value of a header; None if it is missing or was sent more than once.

        Who reads the first and who reads the last of two values sees two requests, so neither
        is believed.
        """
        values = self.headers.get(name.lower(), ())
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest(RequestHead):
    """A request with its body as bytes, before anybody has looked into them.

    Attributes:
        body: As sent.
        received_at_ms: When the body was complete.
    """

    body: bytes
    received_at_ms: int


class Replay(Value, frozen=True, kw_only=True):
    """What tells a request from its repetition.

    Attributes:
        key: Made of what was verified, in its one canonical form: never of the query or of the
            spelling of a header (advisory D11).
        ttl_s: How long it is remembered; longer than the signature stays valid.
    """

    key: bytes
    ttl_s: float = _REPLAY_TTL_S


class Verified(Value, frozen=True, kw_only=True):
    """The signature is right.

    Attributes:
        account: Whose secret it was; requests of two accounts are never each other's repetition.
        replay: How a repetition is known; None if the scheme cannot tell.
    """

    account: str = ""
    replay: Replay | None = None


class Rejected(Value, frozen=True, kw_only=True):
    """The signature is missing or wrong.

    Attributes:
        reason: A short fixed word for the log; never what the client sent.
        status: 401, or 400 where no secret was compared.
        text: For the client.
    """

    reason: str
    status: int = 401
    text: str = "Unauthorized"


Verify = Callable[[RawRequest], Verified | Rejected]
"""Looks at the raw request; quick, without I/O, in constant time, and never raises."""

ReadBody = Callable[[int], Awaitable[bytes]]
"""`await read(max_bytes)` gives the whole body, or raises `TooLong` as soon as that is known."""


class TooLong(Refused):
    """The body is longer than its route allows."""


class BadBody(Refused):
    """The body is not what the route understands; the message is for the client."""


class WebhookAnswer(Value, frozen=True, kw_only=True):
    """What the client gets."""

    status: int = 200
    body: bytes = b""
    content_type: str = TEXT
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])


def plain(status: int, text: str, **headers: str) -> WebhookAnswer:
    """An answer in plain text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookAnswer(status=status, body=text.encode(), headers=named)


@dataclass(slots=True, kw_only=True)
class VerifiedRequest:
    """A request whose signature was right and whose body could be read.

    Attributes:
        raw: As it was received.
        verified: Whose it is.
        value: The body, parsed.
        enter: The handler says which step it is at: `AUTHORISE`, then `PERSIST`.
        remember: For handlers of routes that `remembers`: called in the very transaction that
            writes what the request causes; False if the request was there before, and then the
            handler undoes what it wrote by raising.
    """

    raw: RawRequest
    verified: Verified
    value: Any
    enter: Callable[[Step], None]
    remember: Callable[[Tx], bool]


class WebhookRoute(Value, frozen=True, kw_only=True):
    """One path and who answers there.

    Attributes:
        path: Absolute, or with `/*` at its end for all paths below. Compared byte for byte.
        owner: The channel, plugin or room it belongs to: budgets and replay memory are its own.
        verify: Checks the signature. None: its secret is missing, so the route does not exist.
        handle: Does the work; its answer is sent. Raise `Refused` for 400, `Failed` for 503.
        parse: Raw body to value, called after the signature was right; raises `BadBody`.
        methods: What may be sent.
        is_guessable: The secret is compared, as a token is, and not proven by a signature over
            the body. An address that gives wrong ones is locked out before the comparison.
        is_judged_late: Only the handler can tell whether the secret is right, so the check passes
            everything; a 401 or 403 of the handler counts as a wrong secret.
        max_bytes: Longest body.
        timeout_s: Longest time the handler may take.
        remembers: The handler calls `VerifiedRequest.remember` itself, in its transaction.
        challenge: For `WWW-Authenticate`, with 401.
        refuse: How a refusal after the signature looks: status and text to an answer.
    """

    path: str
    owner: str
    verify: Verify | None
    handle: Callable[[VerifiedRequest], Awaitable[WebhookAnswer]]
    parse: Callable[[RawRequest], Any]
    methods: frozenset[str] = frozenset({"POST"})
    is_guessable: bool = False
    is_judged_late: bool = False
    max_bytes: int = MAX_BODY_BYTES
    timeout_s: float = 30.0
    remembers: bool = False
    challenge: str = "Signature"
    refuse: Callable[[int, str], WebhookAnswer] = plain
