"""Where a plugin may send requests: the rules of its manifest and of the operator. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from carapace.net.allow import AllowRule
from carapace.net.policy import EgressCaller, EgressPolicy, HostPort
from carapace.net.proxy import Proxy
from carapace.net.url import InvalidUrl, as_http_url, parse_url
from carapace.plugins.capabilities.codes import Code, guest_error

__all__ = ["OutboundRules"]

_MAX_CONNECTIONS: Final = 64
"""Every held request keeps one busy; others must still get through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRules:
    """What one plugin may reach.

    Attributes:
        plugin_id: Whose.
        manifest: What its signed manifest names.
        operator: What the operator added for it. An exact host among these may also be one of
            our own network.
    """

    plugin_id: str
    manifest: tuple[AllowRule, ...]
    operator: tuple[AllowRule, ...] = ()
    _own_hosts: frozenset[HostPort] = field(init=False)

    def __post_init__(self) -> None:
        """Find the hosts that the operator wrote out."""
        object.__setattr__(self, "_own_hosts", frozenset(_exact(self.operator)))

    @property
    def all(self) -> tuple[AllowRule, ...]:
        """All rules."""
        return self.manifest + self.operator

    def caller(
        self,
        *,
        max_bytes: int,
        max_redirects: int,
        total_s: float | None,
        proxy: Proxy | None = None,
    ) -> EgressCaller:
        """How `carapace.net` knows this plugin.

        Args:
            max_bytes: Cap of an answer, on the wire and decoded.
            max_redirects: How many are followed, each under the same rules.
            total_s: Deadline of a whole request.
            proxy: That of the account it is for.
        """
        return EgressCaller(
            f"plugin:{self.plugin_id}",
            EgressPolicy(
                allow_hosts=self._own_hosts,
                rules=self.all,
                max_wire_bytes=max_bytes,
                max_decoded_bytes=max_bytes,
                max_redirects=max_redirects,
                silence_timeout_s=300.0 if total_s is None else total_s,
                total_timeout_s=total_s,
                max_connections=_MAX_CONNECTIONS,
            ),
            proxy,
        )

    def check(self, method: str, url: str, *, has_secrets: bool = False) -> str:
        """The host of a request that may be made.

        Reads the text as it is written, before any library tidies it up.

        Args:
            method: In capitals.
            url: With its secrets, if any; none of it is repeated in an error but the host.
            has_secrets: Whether secrets go along, which need https, except to a host that the
                operator wrote out.

        Raises:
            GuestError: If the URL cannot be read or is not one that may be asked.
        """
        try:
            endpoint = parse_url(as_http_url(url))
        except InvalidUrl as error:
            raise guest_error(Code.INVALID_ARGUMENT, f"the URL cannot be used: {error}") from None
        if not any(rule.admits(method, endpoint) for rule in self.all):
            raise guest_error(
                Code.NOT_GRANTED,
                f"{method} requests to that address of {endpoint.host}:{endpoint.port} are not "
                "among the permissions of this plugin",
            )
        is_clear = endpoint.scheme == "http"
        if has_secrets and is_clear and (endpoint.host, endpoint.port) not in self._own_hosts:
            raise guest_error(
                Code.REFUSED,
                f"a secret is not sent to {endpoint.host} in clear text: use https, or let the "
                "operator add that address to the plugin's http rules",
            )
        return endpoint.host


def _exact(rules: Iterable[AllowRule]) -> Iterable[HostPort]:
    return ((rule.host.host, rule.port) for rule in rules if not rule.host.is_below)
