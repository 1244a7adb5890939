"""The guarded HTTP client of each provider: exactly its own host, private only if it says so."""

from __future__ import annotations

from typing import Any

from carapace.agent.providers.spec import HttpClientFactory, ProviderSpec
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy, allow_url, names_own_network
from carapace.net.url import parse_url

__all__ = ["provider_clients", "provider_policy"]

_MEBIBYTE = 1024 * 1024
# Longer than any stream may last; the streaming machine has the finer deadlines.
_SILENCE_S = 900.0


def provider_policy(spec: ProviderSpec) -> EgressPolicy:
    """What this provider may reach.

    Raises:
        carapace.net.url.InvalidUrl: If its base URL is not one the gateway would open.
    """
    only = frozenset({allow_url(spec.base_url)}) if spec.base_url else None
    is_private = spec.allow_private
    if is_private is None:
        is_private = spec.base_url is not None and names_own_network(parse_url(spec.base_url))
    return EgressPolicy(
        allow_hosts=only if only and is_private else frozenset(),
        only_hosts=only,
        allow_http=bool(is_private),
        max_wire_bytes=64 * _MEBIBYTE,
        max_decoded_bytes=128 * _MEBIBYTE,
        connect_timeout_s=spec.deadlines.connect_s,
        silence_timeout_s=_SILENCE_S,
        total_timeout_s=None,
    )


def provider_clients(egress: Egress) -> HttpClientFactory:
    """The factory that the registry gives to its providers."""

    def make(spec: ProviderSpec) -> Any:
        return egress.http_client(EgressCaller(f"models.{spec.name}", provider_policy(spec)))

    return make
