"""The table of HTTP endpoints: what opens each, and whose twin it is.

An endpoint that does what a WebSocket method does needs the scope of that method's row, and no
endpoint names a scope. `HttpAccess` looks the route up here, so an endpoint that is not in this
table opens for nobody; the gateway does not start with one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from carapace.protocol.connect import BRANDS
from carapace.value import Value

__all__ = ["ENDPOINTS", "Endpoint", "Gate", "endpoint_at", "undeclared"]


class Gate(StrEnum):
    """What opens an endpoint."""

    OPEN = "open"
    """Nothing is asked for."""
    BEARER = "bearer"
    """The gateway's credential, and the scope of the twin."""
    SIGNED = "signed"
    """The address itself: it holds a signature that ends soon."""
    HOOK = "hook"
    """`hooks.token`, which opens nothing else."""


class Endpoint(Value, frozen=True):
    """One endpoint.

    Attributes:
        verb: GET stands for HEAD as well.
        path: As the router writes it, names in braces.
        gate: What opens it.
        twin: The method that does the same; None where no method does.
    """

    verb: str
    path: str
    gate: Gate
    twin: str | None = None


def _canvas() -> Iterable[Endpoint]:
    for brand in BRANDS:
        for kind in ("canvas", "a2ui"):
            path = f"/__{brand}__/{kind}{{path}}"
            yield Endpoint("GET", path, Gate.BEARER, "node.list")
            yield Endpoint(
                "GET", f"/canvas-pass/{{conn_id}}/{{token}}{path}", Gate.SIGNED, "node.list"
            )


ENDPOINTS: Final = (
    *(Endpoint("GET", path, Gate.OPEN) for path in ("/health", "/healthz", "/ready", "/readyz")),
    Endpoint("GET", "/v1/models", Gate.BEARER, "models.list"),
    Endpoint("GET", "/v1/models/{name}", Gate.BEARER, "models.list"),
    Endpoint("POST", "/v1/chat/completions", Gate.BEARER, "agent"),
    Endpoint("POST", "/v1/responses", Gate.BEARER, "agent"),
    Endpoint("POST", "/v1/embeddings", Gate.BEARER, "agent"),
    # Any tool needs reading at least; the invoker asks for what the tool itself needs.
    Endpoint("POST", "/tools/invoke", Gate.BEARER, "agents.list"),
    # Also opened by the signed address that it gives to who has the credential.
    Endpoint("GET", "/avatar/{agent_id}", Gate.BEARER, "agent.identity.get"),
    *_canvas(),
    Endpoint("GET", "/media/{token}", Gate.SIGNED),
    Endpoint("POST", "/hooks/wake", Gate.HOOK, "wake"),
    Endpoint("POST", "/hooks/agent", Gate.HOOK, "agent"),
    Endpoint("POST", "/hooks/{name}", Gate.HOOK, "agent"),
)
_ROWS: Final = {(one.verb, one.path): one for one in ENDPOINTS}


def endpoint_at(verb: str, path: str) -> Endpoint | None:
    """The row of a route; None if it has none."""
    return _ROWS.get(("GET" if verb == "HEAD" else verb, path))


def undeclared(routes: Iterable[tuple[str, str]]) -> list[str]:
    """Those routes, as verb and path, that have no row."""
    return sorted({f"{verb} {path}" for verb, path in routes if endpoint_at(verb, path) is None})
