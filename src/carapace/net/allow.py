"""Lists of what a caller may ask for: host, port, path and method. Pure.

A rule is written like a URL: `https://api.example.com/v1/**`. It admits exactly what it says:
another port, another scheme, a longer or shorter host name, or a path that some server could
read as leading out of the prefix is not admitted.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from carapace.net.url import Endpoint, InvalidUrl, as_http_url, check_host, literal, parse_url
from carapace.value import Value

__all__ = ["AllowRule", "HostPattern", "is_plain_path", "parse_host_pattern", "parse_rule"]

_ANY_LABELS = "*."
_ANY_PATH = "**"
_WILDCARD_STAND_IN = "any."
# Servers decode once or, behind a proxy, twice; no honest path needs more.
_MAX_DECODINGS = 4


class HostPattern(Value, frozen=True):
    """A host, or all hosts below a domain.

    Attributes:
        host: As `carapace.net.url.check_host` writes it.
        is_below: Whether it means every name with one or more labels in front of `host`, and
            not `host` itself.
    """

    host: str
    is_below: bool = False

    def matches(self, host: str) -> bool:
        """Whether a checked host is meant."""
        return host.endswith("." + self.host) if self.is_below else host == self.host


class AllowRule(Value, frozen=True):
    """One kind of request that is admitted.

    Attributes:
        scheme: `http` or `https`; WebSockets count as what they are upgraded from.
        host: Which hosts.
        port: Exactly this one.
        path: A prefix that ends in `/`, or with `is_exact` the whole path.
        is_exact: Whether the path must be `path` itself.
        methods: In capitals; None for every method.
    """

    scheme: str
    host: HostPattern
    port: int
    path: str = "/"
    is_exact: bool = False
    methods: frozenset[str] | None = None

    def admits(self, method: str, endpoint: Endpoint) -> bool:
        """Whether this request is meant."""
        return (
            self.scheme == endpoint.scheme
            and self.port == endpoint.port
            and self.host.matches(endpoint.host)
            and (self.methods is None or method.upper() in self.methods)
            and self._has_path(endpoint.target.partition("?")[0])
        )

    def _has_path(self, path: str) -> bool:
        if self.is_exact:
            return path == self.path
        if self.path == "/":
            return True
        return path.startswith(self.path) and is_plain_path(path)


def parse_host_pattern(text: str) -> HostPattern:
    """Read `api.example.com`, `*.example.com`, `192.0.2.1` or `[2001:db8::1]`.

    Raises:
        InvalidUrl: If it is neither, or a star stands before less than two labels.
    """
    if not text.startswith(_ANY_LABELS):
        return HostPattern(check_host(text))
    host = check_host(text.removeprefix(_ANY_LABELS))
    if "." not in host or literal(host) is not None:
        raise InvalidUrl(f"{text!r} would match a whole top level; name at least two labels")
    return HostPattern(host, is_below=True)


def parse_rule(text: str, *, methods: Iterable[str] | None = None) -> AllowRule:
    """Read a rule such as `https://*.example.com:8443/v1/**`.

    A path that ends in `/**` admits everything below it; another path admits only itself. No
    path admits all of the host.

    Args:
        text: The rule; `ws` and `wss` mean `http` and `https`.
        methods: Which are admitted; None for every method.

    Raises:
        InvalidUrl: If it is no rule; the message says why.
    """
    url = as_http_url(text)
    scheme, found, rest = url.partition("://")
    is_below = bool(found) and rest.startswith(_ANY_LABELS)
    if is_below:
        rest = _WILDCARD_STAND_IN + rest.removeprefix(_ANY_LABELS)
    endpoint = parse_url(scheme + found + rest)
    host = HostPattern(endpoint.host)
    if is_below:
        host = parse_host_pattern(_ANY_LABELS + endpoint.host.removeprefix(_WILDCARD_STAND_IN))
    path, is_exact = _path_of(endpoint.target)
    return AllowRule(
        scheme=endpoint.scheme,
        host=host,
        port=endpoint.port,
        path=path,
        is_exact=is_exact,
        methods=None if methods is None else frozenset(method.upper() for method in methods),
    )


def _path_of(target: str) -> tuple[str, bool]:
    if target == "/":
        return "/", False
    is_prefix = target.endswith("/" + _ANY_PATH)
    path = target.removesuffix(_ANY_PATH) if is_prefix else target
    if "*" in path or "?" in path or not is_plain_path(path):
        raise InvalidUrl("the path of a rule is plain text, with /** at its end or nowhere")
    return path, not is_prefix


def is_plain_path(path: str) -> bool:
    """Whether no server can read this path as leading anywhere but straight down.

    Looks behind percent-encoding (also twice encoded), backslashes and path parameters
    (`/..;x/`), since servers differ in what they undo before they resolve dots.

    Args:
        path: With its leading slash, without query.
    """
    for _ in range(_MAX_DECODINGS):
        parts = path.replace("\\", "/").split("/")
        if any(part.partition(";")[0] in {".", ".."} for part in parts):
            return False
        try:
            decoded = unquote(path, errors="strict")
        except UnicodeDecodeError:  # overlong dots and slashes are not UTF-8
            return False
        if decoded == path:
            return "\x00" not in path
        path = decoded
    return False
