"""Reading a URL once and strictly, so that no two parsers can disagree about its host.

Pure. Whatever browsers repair (backslashes, tabs, missing slashes, `0x7f.1` as an address),
this refuses, since a repaired URL is one that somebody else may read differently.

Source: WHATWG URL Standard, sections 3.5 and 4.4, for what the repairs are.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urljoin

from carapace.net.address import IPAddress
from carapace.value import Value

__all__ = [
    "Endpoint",
    "InvalidUrl",
    "as_http_url",
    "check_host",
    "join_url",
    "literal",
    "parse_url",
]

MAX_URL_CHARS = 8192
_PORTS = {"http": 80, "https": 443}
_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)")
# Browsers read `https:a` and `///a` as an absolute URL, RFC 3986 as a relative one.
_HALF_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//[^/?#])|//(?![^/?#])")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_WEBSOCKET = re.compile(r"\Aws(?=s?://)", re.IGNORECASE)
_ENCODED = "xn--"
_HIDDEN = frozenset(["Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"])  # categories nobody sees
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST_CHARS = 253
_MAX_PORT = 65535


class InvalidUrl(ValueError):  # noqa: N818 - it is the URL that is invalid
    """The text is not a URL that the gateway will open; the message says why."""


class Endpoint(Value, frozen=True):
    """Where a URL leads.

    Attributes:
        scheme: `http` or `https`.
        host: Lower case, no trailing dot; IPv6 without brackets, in its shortest form.
        port: 1 to 65535, the scheme's own if the URL named none.
        target: Path and query as written, at least `/`, without the fragment.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to (RFC 6454)."""
        return (self.scheme, self.host, self.port)


def parse_url(text: str) -> Endpoint:
    """The endpoint of an absolute http or https URL.

    Raises:
        InvalidUrl: If it is anything else, or could be read in two ways.
    """
    if len(text) > MAX_URL_CHARS:
        raise InvalidUrl(f"the URL is longer than {MAX_URL_CHARS} characters")
    if any(_is_ambiguous(char) for char in text):
        raise InvalidUrl("the URL holds a space, a control character or a backslash")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise InvalidUrl("the URL does not start with http:// or https://")
    scheme = shape["scheme"].lower()
    if scheme not in _PORTS:
        raise InvalidUrl(f"the scheme {scheme!r} is not http or https")
    if "@" in shape["authority"]:
        raise InvalidUrl("the URL holds a user name or password")
    host, port = _split_authority(shape["authority"])
    target = shape["rest"].partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    return Endpoint(scheme, check_host(host), port or _PORTS[scheme], target)


def join_url(base: str, reference: str) -> str:
    """What a link or a Location header means on the page at `base`; it parses.

    Raises:
        InvalidUrl: If it does not, or could be read in two ways.
    """
    if any(_is_ambiguous(char) for char in reference) or _HALF_ABSOLUTE.match(reference):
        raise InvalidUrl("the link could be read in two ways")
    try:
        joined = urljoin(base, reference)
    except ValueError as error:
        raise InvalidUrl("the link is not a URL") from error
    parse_url(joined)
    return joined


def as_http_url(text: str) -> str:
    """A `ws` or `wss` URL as the `http` or `https` one that it is upgraded from; others as is.

    Source: RFC 6455 section 3.
    """
    return _WEBSOCKET.sub("http", text)


def _is_ambiguous(char: str) -> bool:
    """Spaces, control characters, half characters, and what browsers turn into a slash."""
    return char <= " " or "\x7f" <= char <= "\xa0" or char == "\\" or "\ud800" <= char <= "\udfff"


def _split_authority(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, closed, port = authority.partition("]")
        host += closed
    else:
        host, colon, port = authority.partition(":")
        port = colon + port
    if not port:
        return host, None
    digits = port[1:]
    # isdigit() also takes other scripts' digits
    if port[0] != ":" or not (digits.isascii() and digits.isdigit()) or len(digits) > len("65535"):
        raise InvalidUrl("the port is not a number")
    number = int(digits)
    if not 0 < number <= _MAX_PORT:
        raise InvalidUrl("the port is not between 1 and 65535")
    return host, number


def check_host(host: str) -> str:
    """The one way to write `host`: a name, a dotted quad or an IPv6 address.

    Raises:
        InvalidUrl: If it is no valid host, or a number that some resolvers read as an address.
    """
    if host.startswith("[") or ":" in host:
        return _check_ipv6(host)
    name = host.lower().removesuffix(".")
    if not name or len(name) > _MAX_HOST_CHARS:
        raise InvalidUrl("the host is empty or too long")
    if not name.isascii():
        raise InvalidUrl("the host is not ASCII: write it in its xn-- form")
    labels = name.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        return _check_ipv4(name)
    if not all(_LABEL.fullmatch(label) and _is_real(label) for label in labels):
        raise InvalidUrl("the host is not a valid name")
    return name


def _is_real(label: str) -> bool:
    """Whether an `xn--` label stands for letters that have no plainer form; others always do.

    Programs that show or compare the decoded name must not see another host than we dial.
    Source: RFC 3492, RFC 5891 section 5.4.
    """
    if not label.startswith(_ENCODED):
        return True
    try:
        text = label.removeprefix(_ENCODED).encode("ascii").decode("punycode")
        again = text.encode("punycode").decode("ascii")
    except (ValueError, OverflowError):
        return False
    is_plain = text == unicodedata.normalize("NFKC", text).lower()
    is_hidden = any(unicodedata.category(char) in _HIDDEN for char in text)
    return not text.isascii() and is_plain and not is_hidden and _ENCODED + again == label


def _check_ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))  # refuses short, octal, hexadecimal and decimal forms
    except ValueError:
        raise InvalidUrl("the host is a number but not four decimal bytes") from None


def _check_ipv6(text: str) -> str:
    if "%" in text:
        raise InvalidUrl("the host names a network interface")
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(IPv6Address(inner))
    except ValueError:
        raise InvalidUrl("the host is not a valid IPv6 address") from None


def literal(host: str) -> IPAddress | None:
    """The address that a checked host is, or None if it is a name."""
    if ":" in host:
        return IPv6Address(host)
    try:
        return IPv4Address(host)
    except ValueError:
        return None
