from __future__ import annotations

import msgspec

from carapace.config.settings.gateway import GatewaySettings
from carapace.protocol.scopes import Scope


def test_the_port_and_limits_are_those_of_the_node_gateway():
    gateway = GatewaySettings()
    assert (gateway.port, gateway.tick_interval_s) == (18789, 30)
    limits = gateway.limits
    assert (limits.max_payload_bytes, limits.max_buffered_bytes) == (512 * 1024, 1536 * 1024)
    assert limits.handshake_timeout_s == 10


def test_a_client_without_device_gets_no_admin_by_default():
    assert GatewaySettings().auth.device_less_scopes == (Scope.READ, Scope.WRITE)


def test_scopes_are_written_by_their_names():
    got = msgspec.convert({"auth": {"deviceLessScopes": ["operator.read"]}}, GatewaySettings)
    assert got.auth.device_less_scopes == (Scope.READ,)
