"""Who may reach what: the rules of one caller, and the decision about one connection.

Pure. A policy starts from "public addresses only". It can be narrowed to listed hosts or
requests, and widened for exact host and port pairs that the operator wrote into the
configuration. Metadata services stay closed even then.
"""

from __future__ import annotations

from collections.abc import Sequence

from carapace.net.address import IPAddress, is_local_name, is_metadata, is_metadata_host, refusal
from carapace.net.allow import AllowRule
from carapace.net.proxy import Proxy
from carapace.net.url import Endpoint, literal, parse_url
from carapace.value import Value

__all__ = ["EgressCaller", "EgressPolicy", "HostPort", "allow_url", "names_own_network"]

HostPort = tuple[str, int]
MEBIBYTE = 1024 * 1024


class EgressPolicy(Value, frozen=True):
    """What one caller may do.

    Attributes:
        allow_hosts: Exact (host, port) pairs that may have a non-public address, hosts as
            `carapace.net.url.check_host` writes them.
        only_hosts: If not None, nothing but these pairs may be reached, redirects included.
        rules: If not None, nothing but these requests may be made, redirects included; an
            empty tuple therefore admits nothing.
        allow_http: Whether clear text is fine towards public hosts; `allow_hosts` may always
            use it.
        max_wire_bytes: Cap of one response body as it comes over the wire.
        max_decoded_bytes: Cap of the same body after decompression.
        max_redirects: How many redirects of a GET or HEAD are followed; 0 hands them back.
        connect_timeout_s: Name look-up, connection and TLS together.
        silence_timeout_s: Longest wait for the next bytes.
        total_timeout_s: Redirects and whole body; None for streams that last.
        max_connections: Open connections of this client at once.
    """

    allow_hosts: frozenset[HostPort] = frozenset()
    only_hosts: frozenset[HostPort] | None = None
    rules: tuple[AllowRule, ...] | None = None
    allow_http: bool = True
    max_wire_bytes: int = 32 * MEBIBYTE
    max_decoded_bytes: int = 64 * MEBIBYTE
    max_redirects: int = 0
    connect_timeout_s: float = 10.0
    silence_timeout_s: float = 60.0
    total_timeout_s: float | None = 300.0
    max_connections: int = 20

    def refuse_url(self, endpoint: Endpoint, *, method: str = "GET") -> str | None:
        """Why this request may not be made at all, or None; needs no look-up."""
        if (reason := self.refuse_host(endpoint.host, endpoint.port)) is not None:
            return reason
        if self.rules is not None and not any(r.admits(method, endpoint) for r in self.rules):
            return "not one of the requests this feature may make"
        is_clear = endpoint.scheme == "http" and not self.allow_http
        if is_clear and (endpoint.host, endpoint.port) not in self.allow_hosts:
            return "clear-text http where https is required"
        return None

    def refuse_host(self, host: str, port: int) -> str | None:
        """Why nothing may go to this host and port, whatever its addresses, or None."""
        pair = (host, port)
        if is_metadata_host(host):
            return "a cloud metadata service"
        if self.only_hosts is not None and pair not in self.only_hosts:
            return "not one of the hosts this feature may reach"
        if pair not in self.allow_hosts and is_local_name(host):
            return "a name of this machine or its local network"
        return None

    def refuse_addresses(self, host: str, port: int, addresses: Sequence[IPAddress]) -> str | None:
        """Why a connection to `host` may not be made, or None.

        One bad address of a name refuses the name: a resolver that mixes public and private
        answers is an attack or a mistake.
        """
        if not addresses:
            return "the name has no address"
        for address in addresses:
            if is_metadata(address):
                return f"{address} is a cloud metadata service"
        if (host, port) in self.allow_hosts:
            return None
        for address in addresses:
            if (reason := refusal(address)) is not None:
                is_literal = literal(host) is not None
                return reason if is_literal else f"{address} is {reason}"
        return None


class EgressCaller(Value, frozen=True):
    """A feature that goes out.

    Attributes:
        name: For the audit log.
        policy: Its rules.
        proxy: Its own way, from the configuration; None is the one of `net.proxy`, if any.
    """

    name: str
    policy: EgressPolicy = EgressPolicy()
    proxy: Proxy | None = None


def allow_url(url: str) -> HostPort:
    """The exact pair that a configured base URL allows.

    Raises:
        carapace.net.url.InvalidUrl: If the URL is not one the gateway would open.
    """
    endpoint = parse_url(url)
    return (endpoint.host, endpoint.port)


def names_own_network(endpoint: Endpoint) -> bool:
    """Whether a configured address says by itself that it is not public.

    That is `localhost` or a literal address that is not public; whoever writes one means it.
    """
    if endpoint.host == "localhost":
        return True
    address = literal(endpoint.host)
    return address is not None and refusal(address) is not None
