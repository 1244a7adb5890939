"""Checks of webhook signatures and tokens, ready to be put into a route.

Each maker gives a `Verify`, or None if its secret is missing or blank: a route without a check
does not exist (advisories D01, D02, D04). All compare digests in constant time. What was given is
decoded first, so that hexadecimal in capitals, base64 or base64url are one and the same value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

from carapace.auth.compare import digest, same_secret
from carapace.triggers.webhook_types import RawRequest, Rejected, Replay, Verified, Verify

__all__ = [
    "TOLERANCE_S",
    "bearer_token",
    "body_signature",
    "decode_mac",
    "one_of",
    "sign_timestamped",
    "timestamped_signature",
]

TOLERANCE_S: Final = 300.0
_MAC_BYTES: Final = 32
_MAX_HEADER: Final = 1_024
_MAX_SIGNATURES: Final = 4
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
# RFC 4648, sections 4 and 5: 32 bytes are 43 characters and one of padding.
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,11}")
_SCHEME: Final = "bearer "


def decode_mac(text: str) -> bytes | None:
    """The 32 bytes of an HMAC-SHA256 as hexadecimal, base64 or base64url, after `sha256=` or not.

    Returns:
        None if it is none of these.
    """
    value = text.strip()
    if value[:7].lower() == "sha256=":
        value = value[7:]
    if _HEX.fullmatch(value):
        return bytes.fromhex(value)
    if not _BASE64.fullmatch(value):
        return None
    standard = value.rstrip("=").translate(str.maketrans("-_", "+/")) + "="
    try:
        decoded = base64.b64decode(standard, validate=True)
    except binascii.Error:  # pragma: no cover - the pattern leaves nothing to find
        return None
    return decoded if len(decoded) == _MAC_BYTES else None


def body_signature(
    secret: str | None, *, header: str, account: str = "", drops_repeats: bool = True
) -> Verify | None:
    """HMAC-SHA256 over the raw body, in one header, as GitHub and many others send it.

    Args:
        secret: Shared with the sender.
        header: Where the signature is, as in `X-Hub-Signature-256`.
        account: Named in `Verified`.
        drops_repeats: The same body again is a repetition. Without a time in what is signed, an
            old request cannot be told from a new one in any other way.
    """
    if secret is None or not secret.strip():
        return None
    key = secret.encode()

    def verify(raw: RawRequest) -> Verified | Rejected:
        given = _given(raw.header(header))
        expected = hmac.digest(key, raw.body, "sha256")
        if not hmac.compare_digest(given or b"", expected):
            return Rejected(reason="signature" if given else "no-signature")
        return Verified(account=account, replay=Replay(key=expected) if drops_repeats else None)

    return verify


def timestamped_signature(
    secret: str | None,
    *,
    header: str = "X-Carapace-Signature",
    timestamp_header: str | None = None,
    account: str = "",
    tolerance_s: float = TOLERANCE_S,
) -> Verify | None:
    """HMAC-SHA256 over the time in seconds, a dot, and the raw body.

    The header is `t=<seconds>,v1=<signature>`; `v1` may come several times while a secret is
    being changed. With a `timestamp_header` the time is there and `header` holds the signature
    alone.

    Args:
        secret: Shared with the sender.
        header: Where the signature is.
        timestamp_header: Where the time is, if not beside the signature.
        account: Named in `Verified`.
        tolerance_s: How far the sender's clock may be off, either way.
    """
    if secret is None or not secret.strip():
        return None
    key = secret.encode()

    def verify(raw: RawRequest) -> Verified | Rejected:
        value = (raw.header(header) or "")[:_MAX_HEADER]
        if timestamp_header is None:
            time_text, given = _fields(value)
        else:
            time_text, given = raw.header(timestamp_header) or "", [value]
        if not _SECONDS.fullmatch(time_text):
            return Rejected(reason="no-timestamp")
        expected = _mac(key, time_text, raw.body)
        if not _is_any(given, expected):
            return Rejected(reason="signature")
        if abs(raw.received_at_ms / 1000 - int(time_text)) > tolerance_s:
            return Rejected(reason="stale")
        return Verified(account=account, replay=Replay(key=expected, ttl_s=3 * tolerance_s))

    return verify


def sign_timestamped(secret: str, body: bytes, at_s: int) -> str:
    """The header's value that `timestamped_signature` takes."""
    return f"t={at_s},v1={_mac(secret.encode(), str(at_s), body).hex()}"


def bearer_token(
    secret: str | None, *, headers: Sequence[str] = (), account: str = ""
) -> Verify | None:
    """A token in `Authorization: Bearer`, or alone in one of `headers`; never in the query.

    A token proves nothing about the body, so a repetition cannot be told. Its route must be
    `is_guessable`.
    """
    if secret is None or not secret.strip():
        return None
    expected = digest(secret)

    def verify(raw: RawRequest) -> Verified | Rejected:
        if _names_token(raw.query):
            return Rejected(
                reason="token-in-query",
                status=400,
                text="a token in the address ends up in logs: send it as Authorization: Bearer",
            )
        given = _bearer(raw, headers)
        if not same_secret(given, expected):
            return Rejected(reason="token" if given else "no-token")
        return Verified(account=account)

    return verify


def one_of(checks: Mapping[str, Verify | None]) -> Verify | None:
    """Several accounts on one path, told apart by whose secret is right.

    All are tried, always. If more than one is right, the request could be any account's and is
    rejected (advisory D14). Accounts whose secret is missing are left out.

    Args:
        checks: By account; the account's name goes into `Verified`.
    """
    known = {account: check for account, check in checks.items() if check is not None}
    if not known:
        return None

    def verify(raw: RawRequest) -> Verified | Rejected:
        outcomes = [(account, check(raw)) for account, check in known.items()]
        right = [(account, one) for account, one in outcomes if isinstance(one, Verified)]
        if len(right) == 1:
            account, verified = right[0]
            return Verified(account=account, replay=verified.replay)
        if right:
            return Rejected(reason="ambiguous")
        return next(one for _, one in outcomes if isinstance(one, Rejected))

    return verify


def _mac(key: bytes, time_text: str, body: bytes) -> bytes:
    signed = hmac.new(key, time_text.encode() + b".", hashlib.sha256)
    signed.update(body)
    return signed.digest()


def _given(value: str | None) -> bytes | None:
    return decode_mac(value) if value and len(value) <= _MAX_HEADER else None


def _is_any(given: Sequence[str], expected: bytes) -> bool:
    found = [hmac.compare_digest(decode_mac(one) or b"", expected) for one in given]
    return any(found)


def _fields(value: str) -> tuple[str, list[str]]:
    """Time and signatures of `t=...,v1=...`; a second time makes both worthless."""
    pairs = [part.strip().partition("=") for part in value.split(",")]
    times = [text for name, _, text in pairs if name == "t"]
    signatures = [text for name, _, text in pairs if name == "v1"]
    return (times[0] if len(times) == 1 else ""), signatures[:_MAX_SIGNATURES]


def _names_token(query: str) -> bool:
    return any(part.partition("=")[0].lower() == "token" for part in query.split("&"))


def _bearer(raw: RawRequest, names: Sequence[str]) -> str | None:
    if "authorization" in raw.headers:
        value = raw.header("authorization") or ""
        if value[: len(_SCHEME)].lower() != _SCHEME:
            return None
        return value[len(_SCHEME) :].strip() or None
    given = [raw.header(name) for name in names if name.lower() in raw.headers]
    return (given[0] or "").strip() or None if len(given) == 1 else None
