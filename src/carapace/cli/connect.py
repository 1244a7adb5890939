"""A client of the gateway that the flags mean, imported only when a verb runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carapace.cli.options import Remote

if TYPE_CHECKING:
    from carapace.cli.client import GatewayClient

__all__ = ["ask", "connect"]


def connect(remote: Remote) -> GatewayClient:
    """Connect; use it as a context manager.

    Raises:
        Trouble: If there is no gateway to talk to; says how to start one.
    """
    from carapace.cli.client import GatewayClient  # noqa: PLC0415 - help needs none of it
    from carapace.cli.target import find_target  # noqa: PLC0415

    return GatewayClient(find_target(remote), timeout_s=remote.timeout_s)


def ask(remote: Remote, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Connect, ask one thing, and end the connection.

    Raises:
        Trouble: If there is no gateway to talk to, or it says no.
    """
    with connect(remote) as gateway:
        answer: dict[str, Any] = gateway.call(method, params)
    return answer
