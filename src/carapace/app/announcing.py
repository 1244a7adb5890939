"""Announces the gateway on the local network, if the configuration asks for it."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import ssl
from pathlib import Path
from typing import Final

from carapace.config.settings import Settings
from carapace.errors import Failed
from carapace.server.bind import BindPlan
from carapace.telemetry.log import get_logger

__all__ = ["announce"]

_log = get_logger(__name__)
_START_S: Final = 30.0
_GOODBYE_S: Final = 2.0
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


async def announce(settings: Settings, bind: BindPlan) -> None:
    """Tell the local network where the gateway is, until cancelled.

    What keeps it from doing so is logged and stops nothing: who knows the address still gets in.
    """
    mode = settings.discovery.mdns.mode
    if mode == "off":
        return
    if bind.is_loopback:
        _log.warning(
            "the gateway is not announced: it listens on this machine alone; set gateway.bind to "
            "lan, or discovery.mdns.mode to off"
        )
        return
    # Loaded when it is asked for: most gateways announce nothing.
    from carapace.net.discovery import (  # noqa: PLC0415 - as said
        Advertisement,
        Advertiser,
        own_addresses,
    )

    advertiser = Advertiser()
    try:
        addresses = own_addresses(bind.hosts)
        what = Advertisement(
            mode=mode,
            name=platform.node(),
            port=settings.gateway.port,
            addresses=addresses,
            tls_sha256=fingerprint(settings),
        )
        async with asyncio.timeout(_START_S):
            await advertiser.start(what)
        _log.info("the gateway is announced on the network", mode=mode, addresses=addresses)
        await asyncio.Event().wait()
    except (Failed, TimeoutError) as error:
        _log.warning("the gateway is not announced", why=str(error) or "it took too long")
    finally:
        async with asyncio.timeout(_GOODBYE_S):
            await advertiser.aclose()


def fingerprint(settings: Settings) -> str | None:
    """SHA-256 of the certificate in hexadecimal, as the apps pin it; None without TLS."""
    tls = settings.gateway.tls
    if not tls.enabled or not tls.cert_path:
        return None
    text = Path(tls.cert_path).expanduser().read_text("ascii")
    begin, end = text.index(_BEGIN), text.index(_END) + len(_END)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[begin:end])).hexdigest()
