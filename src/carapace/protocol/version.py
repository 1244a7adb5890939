"""Dialects: what differs between two versions of the protocol, and nothing else.

The dialect is chosen once, at the handshake. Methods, structs and the registry know nothing
of it; a connection asks its dialect how hello-ok, an error and an event's number look. A new
protocol version is one more `Dialect` in `DIALECTS`, not a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from carapace.errors import GatewayError
from carapace.protocol.connect import Features, HelloAuth, Policy, ServerInfo
from carapace.protocol.errors import ErrorShape, error_shape
from carapace.protocol.registry import MethodRow
from carapace.protocol.scopes import Role
from carapace.value import Value

__all__ = ["DIALECTS", "V3", "Dialect", "HelloParts", "choose"]


class HelloParts(msgspec.Struct, kw_only=True):
    """What a dialect makes its hello-ok of; `features`, `snapshot` and `policy` may be encoded.

    Attributes:
        server: Version, host and connection id.
        features: `Features`, or its bytes.
        snapshot: `Snapshot`, or its bytes.
        policy: `Policy`, or its bytes.
        auth: The device's token, if there is a device.
        canvas_host_url: Where this client finds the canvas, if there is one.
    """

    server: ServerInfo
    features: Features | msgspec.Raw
    snapshot: Any
    policy: Policy | msgspec.Raw
    auth: HelloAuth | None = None
    canvas_host_url: str | None = None


class _HelloV3(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True, tag="hello-ok"):
    """The order of the fields is the order in which clients have always seen them."""

    protocol: int
    server: ServerInfo
    features: Features | msgspec.Raw
    snapshot: Any
    canvas_host_url: str | None = None
    auth: HelloAuth | None = None
    policy: Policy | msgspec.Raw


class Dialect(Value, frozen=True):
    """One version of the protocol.

    Attributes:
        protocol: Its number.
        hello: Builds the payload of the answer to `connect`.
        shape_error: Builds `error` of a response.
        numbers_events: Whether an event to a connection of this role carries `seq`.
    """

    protocol: int
    hello: Callable[[HelloParts], Any]
    shape_error: Callable[[GatewayError], ErrorShape]
    numbers_events: Callable[[Role], bool]

    def knows(self, row: MethodRow) -> bool:
        """Whether a client of this version may call `row`."""
        return self.protocol in row.dialects


def _hello_v3(parts: HelloParts) -> Any:
    return _HelloV3(
        protocol=3,
        server=parts.server,
        features=parts.features,
        snapshot=parts.snapshot,
        canvas_host_url=parts.canvas_host_url,
        auth=parts.auth,
        policy=parts.policy,
    )


def _numbers_operators(role: Role) -> bool:
    # Events to a node are addressed to it alone; clients expect those without a number.
    return role is Role.OPERATOR


V3: Final = Dialect(3, _hello_v3, error_shape, _numbers_operators)
DIALECTS: Final = (V3,)


def choose(lowest: int, highest: int, known: Iterable[Dialect] = DIALECTS) -> Dialect | None:
    """The newest dialect within what the client can speak; None if there is none."""
    fitting = [dialect for dialect in known if lowest <= dialect.protocol <= highest]
    return max(fitting, key=lambda dialect: dialect.protocol, default=None)
