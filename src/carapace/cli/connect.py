"""A client of the gateway that the flags mean, imported only when a verb runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carapace.cli.options import Remote

if TYPE_CHECKING:
    from carapace.cli.client import GatewayClient

__all__ = ["connect"]


def connect(remote: Remote) -> GatewayClient:
    """Connect; use it as a context manager.

    Raises:
        Trouble: If there is no gateway to talk to; says how to start one.
    """
    from carapace.cli.client import GatewayClient  # noqa: PLC0415 - help needs none of it
    from carapace.cli.target import find_target  # noqa: PLC0415

    return GatewayClient(find_target(remote), timeout_s=remote.timeout_s)
