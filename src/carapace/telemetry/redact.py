"""The one redactor: control characters out first, then secrets.

Three nets, since each has holes the others close: values that were registered when they
were read (`add_secret`), fields whose name says secret (`mapping`), and texts of a
well-known shape. It must never be called after text has been cut: half a secret matches
no shape.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

__all__ = ["MASK", "Redactor", "is_secret_name", "strip_controls"]

MASK: Final = "***"
_MIN_REGISTERED: Final = 4
"""Shorter values would blank out ordinary words."""
_MIN_HINTED: Final = 24
"""Only longer ones keep four characters at each end, to tell one key from another."""
_MAX_DEPTH: Final = 12

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""C0 (but tab and newline), DEL, C1, line separators and bidirectional overrides."""

_SECRET_ENDINGS: Final = (
    "apikey",
    "authorization",
    "bottoken",
    "clientsecret",
    "cookie",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "signingkey",
    "token",
)
_SHAPES: Final = (
    re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END[^-]*-----|\Z)"),
    re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    re.compile(r"\b(?:sk|pk|rk)-[\w-]{16,}"),
    re.compile(r"\b(?:sk|pk|rk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}"),
    re.compile(r"\b(?:gh[opusr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    re.compile(r"\bxox[abeoprs]-[\w-]{10,}|\bxapp-[\w-]{10,}"),
    re.compile(r"\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\b(?:npm|hf|gsk|syt|mat|pypi|tskey|nvapi|xai|r8)[_-][\w-]{20,}"),
    re.compile(r"\b\d{8,10}:[\w-]{35}\b"),
)
_AFTER_SCHEME = re.compile(r"(?i)\b(bearer|basic|digest)\s+([\w.~+/=-]{8,})")
_URL_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,256}:)([^\s/@]{1,512})(?=@)")
_KEY_VALUE = re.compile(
    r"(?i)(?<![\w-])([\w-]*(?:api[_-]?key|authorization|cookie|pass(?:phrase|wd|word)"
    r"|private[_-]?key|secret|token)[\"']?\s{0,3}[=:]\s{0,3})(?!(?:bearer|basic|digest)\b)"
    r"(\"[^\"\n]{1,1024}\"|'[^'\n]{1,1024}'|[^\s\"',;&}\])]+)"
)
"""All patterns here take time in proportion to the text: a start is only tried where a word
begins, and what may be scanned in vain is bounded."""


def strip_controls(text: str) -> str:
    """`text` without terminal escapes and control characters; tab and newline stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret (`gateway.auth.token`, `X-Api-Key`)."""
    plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    return plain.endswith(_SECRET_ENDINGS)


def _mask(value: str) -> str:
    return f"{value[:4]}…{value[-4:]}" if len(value) >= _MIN_HINTED else MASK


def _mask_match(found: re.Match[str]) -> str:
    return _mask(found.group())


def _mask_second(found: re.Match[str]) -> str:
    value = found.group(2)
    mark = value[0] if value[0] in "\"'" else ""
    return f"{found.group(1)}{mark}{_mask(value.strip(mark) if mark else value)}{mark}"


def _spellings(value: str) -> set[str]:
    """How a secret looks after the encodings it commonly passes through."""
    raw = value.encode()
    return {
        value,
        quote(value, safe=""),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
        value.replace("\\", "\\\\").replace('"', '\\"'),
    }


class Redactor:
    """Replaces secrets by a mask. Safe to use from any thread."""

    __slots__ = ("_exact", "_known", "_lock", "_patterns")

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._exact: re.Pattern[str] | None = None
        self._patterns: tuple[re.Pattern[str], ...] = ()
        self._lock = threading.Lock()

    def set_patterns(self, patterns: Iterable[str]) -> None:
        """Also hide what these regular expressions match (`logging.redactPatterns`).

        Raises:
            ValueError: If one is no regular expression; the earlier ones then stay.
        """
        try:
            self._patterns = tuple(re.compile(pattern) for pattern in patterns)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error.pattern!r}: {error}") from error

    def add_secret(self, value: str) -> None:
        """Never let `value` through again, in plain, percent-encoded or base64.

        Values under four characters are ignored: they would blank out ordinary text.
        """
        if len(value) < _MIN_REGISTERED:
            return
        with self._lock:
            known = self._known | _spellings(value)
            if known != self._known:
                self._known = known
                longest_first = sorted(known, key=len, reverse=True)
                self._exact = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """`text` fit to be written: no control characters, no secrets."""
        clean = strip_controls(text)
        if self._exact is not None:
            clean = self._exact.sub(_mask_match, clean)
        for pattern in self._patterns:
            clean = pattern.sub(_mask_match, clean)
        clean = _URL_USER.sub(_mask_second, clean)
        for shape in _SHAPES:
            clean = shape.sub(_mask_match, clean)
        clean = _AFTER_SCHEME.sub(rf"\1 {MASK}", clean)
        return _KEY_VALUE.sub(_mask_second, clean)

    def mapping(self, obj: Any) -> Any:
        """A copy of JSON-like `obj` with every text redacted, and secret fields masked.

        Nesting beyond twelve levels is replaced, not followed.
        """
        return self._walk(obj, 0)

    def _walk(self, obj: Any, depth: int) -> Any:
        if isinstance(obj, str):
            return self.text(obj)
        if obj is None or isinstance(obj, (bool, int, float)):
            return obj
        if depth >= _MAX_DEPTH:
            return "(too deep)"
        if isinstance(obj, Mapping):
            items: Mapping[Any, Any] = obj  # pyright: ignore[reportUnknownVariableType] - any JSON
            return {
                self.text(str(key)): self._field(str(key), value, depth)
                for key, value in items.items()
            }
        if isinstance(obj, (list, tuple, set, frozenset)):
            members: list[Any] = list(obj)  # pyright: ignore[reportUnknownArgumentType] - any JSON
            return [self._walk(member, depth + 1) for member in members]
        return self.text(str(obj))

    def _field(self, name: str, value: Any, depth: int) -> Any:
        if is_secret_name(name) and isinstance(value, (str, bytes)):
            return _mask(strip_controls(value)) if isinstance(value, str) and value else MASK
        return self._walk(value, depth + 1)
