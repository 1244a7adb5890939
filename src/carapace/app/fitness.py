"""Whether a gateway could start with these settings: asked before they are written.

What is found here would end the process at its next start, and with it the way to mend it from
afar.
"""

from __future__ import annotations

from collections.abc import Callable

from carapace.config.issue import Issue
from carapace.config.settings import Settings
from carapace.errors import GatewayError, Refused
from carapace.server.bind import listen, plan, tailnet_address
from carapace.server.tls import server_context

__all__ = ["need_local", "unfit"]


def unfit(settings: Settings, running: Settings) -> tuple[Issue, ...]:
    """What would keep a gateway with these settings from starting; empty if nothing would.

    Args:
        settings: Those in question.
        running: Those of the gateway that runs; what it listens on is free for the next one.
    """
    found: list[Issue] = []
    checks: dict[str, Callable[[Settings], None]] = {
        "gateway.mode": need_local,
        "gateway.bind": _need_addresses,
        "gateway.tls": _need_certificate,
        "gateway.port": lambda new: _need_port(new, running),
    }
    for key, check in checks.items():
        try:
            check(settings)
        except GatewayError as error:
            found.append(Issue(key, error.message))
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


def _need_port(settings: Settings, running: Settings) -> None:
    if settings.gateway.port == running.gateway.port:
        return
    try:
        bind = plan(settings.gateway, has_credential=True, tailnet=tailnet_address)
    except Refused:
        return  # there are no addresses to try; `gateway.bind` says why
    for opened in listen(bind, settings.gateway.port):
        opened.close()
