"""Whether a gateway could start with these settings: asked before they are written.

What is found here would end the process at its next start, and with it the way to mend it from
afar.
"""

from __future__ import annotations

from carapace.config.issue import Issue
from carapace.config.settings import Settings
from carapace.errors import Refused
from carapace.server.bind import plan, tailnet_address
from carapace.server.tls import server_context

__all__ = ["need_local", "unfit"]


def unfit(settings: Settings) -> tuple[Issue, ...]:
    """What would keep a gateway with these settings from starting; empty if nothing would."""
    found: list[Issue] = []
    for key, check in (
        ("gateway.mode", need_local),
        ("gateway.bind", _need_addresses),
        ("gateway.tls", _need_certificate),
    ):
        try:
            check(settings)
        except Refused as refused:
            found.append(Issue(key, refused.message))
    return tuple(found)


def need_local(settings: Settings) -> None:
    """As the Node gateway: a machine that is a client of another runs no gateway of its own.

    Raises:
        Refused: If `gateway.mode` says so.
    """
    if settings.gateway.mode == "remote":
        raise Refused(
            "gateway.mode is remote: this machine talks to "
            f"{settings.gateway.remote.url or 'another gateway'}. To run one here: "
            "cara config set gateway.mode local"
        )


def _need_addresses(settings: Settings) -> None:
    plan(settings.gateway, has_credential=True, tailnet=tailnet_address)


def _need_certificate(settings: Settings) -> None:
    server_context(settings.gateway.tls)
