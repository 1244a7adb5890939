"""The configured proxy: which connections go through it, and the words to get through.

One way for everything: a tunnel to host and port (HTTP CONNECT or SOCKS5), so that TLS, the
checks of URLs and the caps on bodies are the same with and without a proxy. The proxy looks up
names by itself; what can be refused without a look-up is refused before it is asked.

Sources: RFC 9110 section 9.3.6 (CONNECT), RFC 1928 (SOCKS5), RFC 1929 (its password).
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable

import httpcore2

from carapace.config.secret import Secret
from carapace.config.settings.net import ProxySettings
from carapace.net.address import is_local_name, refusal
from carapace.net.allow import HostPattern, parse_host_pattern
from carapace.net.url import InvalidUrl, literal, parse_url
from carapace.value import Value

__all__ = ["Proxy", "open_tunnel", "proxy_of"]

_SOCKS_PORT = 1080
_MAX_HEAD_BYTES = 16 * 1024
_MAX_SOCKS_BYTES = 255
_PROXY_AUTH_REQUIRED = 407
_HEAD_END = b"\r\n\r\n"

_SOCKS_VERSION, _NO_LOGIN, _LOGIN, _LOGIN_VERSION = 5, 0, 2, 1
_CONNECT, _IPV4, _NAME, _IPV6 = 1, 1, 3, 4
_SOCKS_REPLIES = {  # RFC 1928 section 6
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}


class Proxy(Value, frozen=True):
    """A proxy and when to use it.

    Attributes:
        scheme: `http`, `https` (TLS to the proxy itself) or `socks5`.
        host: As `carapace.net.url.check_host` writes it.
        port: Its port.
        username: None if it asks for nothing.
        password: Goes with it.
        bypass: Hosts that are reached without it.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: Secret | None = None
    bypass: tuple[HostPattern, ...] = ()

    def serves(self, host: str) -> bool:
        """Whether a connection to this checked host goes through the proxy.

        Hosts of one's own network do not: the proxy stands in another place, where the same
        words may mean another machine.
        """
        address = literal(host)
        is_own = is_local_name(host) if address is None else refusal(address) is not None
        return not is_own and not any(pattern.matches(host) for pattern in self.bypass)


def proxy_of(settings: ProxySettings, name: str = "net.proxy") -> Proxy | None:
    """The proxy that is configured, or None.

    Args:
        settings: What the operator wrote.
        name: Where it stands.

    Raises:
        InvalidUrl: If its address or a host to bypass is not readable; the message says which.
    """
    if settings.url is None:
        return None
    scheme, _, rest = settings.url.partition("://")
    is_socks = scheme.startswith("socks5")
    try:
        endpoint = parse_url(f"http://{rest}" if is_socks else settings.url)
    except InvalidUrl as error:
        raise InvalidUrl(f"{name}.url: {error}") from error
    names_port = rest.rstrip("/").endswith(f":{endpoint.port}")
    return Proxy(
        scheme="socks5" if is_socks else endpoint.scheme,
        host=endpoint.host,
        port=_SOCKS_PORT if is_socks and not names_port else endpoint.port,
        username=settings.username,
        password=None if settings.password is None else Secret(settings.password),
        bypass=tuple(_pattern(text, name) for text in settings.bypass),
    )


def _pattern(text: str, name: str) -> HostPattern:
    try:
        return parse_host_pattern(text)
    except InvalidUrl as error:
        raise InvalidUrl(f"{name}.bypass, {text!r}: {error}") from error


async def open_tunnel(
    stream: httpcore2.AsyncNetworkStream,
    proxy: Proxy,
    host: str,
    port: int,
    *,
    tls: Callable[[], ssl.SSLContext],
) -> httpcore2.AsyncNetworkStream:
    """Ask the proxy at the other end of `stream` for a tunnel; the caller sets the deadline.

    Args:
        stream: A fresh connection to the proxy; closed if this fails.
        proxy: Whom we speak to.
        host: A checked host.
        port: Its port.
        tls: Trust for a proxy that speaks TLS itself.

    Raises:
        httpcore2.ProxyError: The proxy refused or answered nonsense.
        httpcore2.NetworkError: It hung up.
    """
    try:
        if proxy.scheme == "socks5":
            await _socks(stream, proxy, host, port)
            return stream
        if proxy.scheme == "https":
            stream = await stream.start_tls(tls(), proxy.host)
        await _connect(stream, proxy, host, port)
    except BaseException:
        await stream.aclose()
        raise
    return stream


async def _connect(
    stream: httpcore2.AsyncNetworkStream, proxy: Proxy, host: str, port: int
) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.username is not None:
        pair = f"{proxy.username}:{_password(proxy)}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    await stream.write("\r\n".join([*lines, "", ""]).encode("ascii"))
    status = _status(await _read_head(stream))
    if status == _PROXY_AUTH_REQUIRED:
        raise httpcore2.ProxyError(
            "the proxy wants another name and password: set `username` and `password` where it "
            "is configured, as in net.proxy.username"
        )
    if not 200 <= status < 300:  # noqa: PLR2004 - the class of success
        raise httpcore2.ProxyError(f"the proxy answered {status} for {authority}")


async def _read_head(stream: httpcore2.AsyncNetworkStream) -> bytes:
    """The head alone: what follows it already belongs to the tunnel."""
    head = bytearray()
    while not head.endswith(_HEAD_END):
        if len(head) >= _MAX_HEAD_BYTES:
            raise httpcore2.ProxyError("the proxy's answer has no end")
        head += await _read(stream, 1)
    return bytes(head)


def _status(head: bytes) -> int:
    version, _, rest = head.partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit():
        raise httpcore2.ProxyError("what answered is no HTTP proxy")
    return int(code)


async def _socks(stream: httpcore2.AsyncNetworkStream, proxy: Proxy, host: str, port: int) -> None:
    offered = [_NO_LOGIN] if proxy.username is None else [_LOGIN]
    await stream.write(bytes([_SOCKS_VERSION, len(offered), *offered]))
    version, chosen = await _read(stream, 2)
    if version != _SOCKS_VERSION or chosen not in offered:
        raise httpcore2.ProxyError(
            "the proxy speaks no SOCKS5, or wants a name and password: see net.proxy.username"
        )
    if chosen == _LOGIN:
        await _log_in(stream, proxy)
    request = bytes([_SOCKS_VERSION, _CONNECT, 0]) + _address(host) + port.to_bytes(2, "big")
    await stream.write(request)
    version, reply, _, kind = await _read(stream, 4)
    if version != _SOCKS_VERSION or reply != 0:
        said = _SOCKS_REPLIES.get(reply, f"reply {reply}")
        raise httpcore2.ProxyError(f"the proxy could not connect to {host}:{port}: {said}")
    sizes = {_IPV4: 4, _IPV6: 16}
    n_bytes = (await _read(stream, 1))[0] if kind == _NAME else sizes.get(kind, 0)
    await _read(stream, n_bytes + 2)  # its own address and port, of no use to us


async def _log_in(stream: httpcore2.AsyncNetworkStream, proxy: Proxy) -> None:
    name, password = (proxy.username or "").encode(), _password(proxy).encode()
    if max(len(name), len(password)) > _MAX_SOCKS_BYTES:
        raise httpcore2.ProxyError("SOCKS5 takes at most 255 bytes of name and of password")
    await stream.write(
        bytes([_LOGIN_VERSION, len(name)]) + name + bytes([len(password)]) + password
    )
    _, status = await _read(stream, 2)
    if status != 0:
        raise httpcore2.ProxyError("the proxy did not take net.proxy.username and its password")


def _password(proxy: Proxy) -> str:
    return proxy.password.reveal() if proxy.password is not None else ""


def _address(host: str) -> bytes:
    address = literal(host)
    if address is None:
        return bytes([_NAME, len(host)]) + host.encode("ascii")
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed  # noqa: PLR2004


async def _read(stream: httpcore2.AsyncNetworkStream, n_bytes: int) -> bytes:
    """Exactly so many bytes."""
    data = bytearray()
    while len(data) < n_bytes:
        piece = await stream.read(n_bytes - len(data))
        if not piece:
            raise httpcore2.ProxyError("the proxy hung up")
        data += piece
    return bytes(data)
