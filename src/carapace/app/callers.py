"""Who is calling: credentials, devices and their pairing, and the one that admits them."""

from __future__ import annotations

from collections.abc import Callable

from carapace.app.late import Late
from carapace.app.observing import Observing
from carapace.auth.devices import Devices
from carapace.auth.pairing import Pairing
from carapace.auth.revocation import Revocations
from carapace.auth.service import Authenticator
from carapace.auth.shared import SharedCredential
from carapace.auth.tailscale import SOCKET_PATH, TailscaleWhois
from carapace.auth.tokens import DeviceTokens
from carapace.clock import Clock
from carapace.config.settings.gateway import GatewaySettings
from carapace.credentials.ports import Vault
from carapace.net.client import Egress
from carapace.store.ports import Database
from carapace.value import Value

__all__ = ["Callers", "open_callers"]


class Callers(Value, frozen=True, kw_only=True):
    """Everything that decides who somebody is."""

    shared: SharedCredential
    authenticator: Authenticator
    devices: Devices


async def open_callers(
    settings: Callable[[], GatewaySettings],
    vault: Vault,
    *,
    database: Database,
    egress: Egress,
    late: Late,
    clock: Clock,
    observing: Observing,
) -> Callers:
    """Build them.

    Raises:
        GatewayError: If the vault does not give or keep the gateway's own secrets.
    """
    revocations = Revocations(late.close)
    shared = await SharedCredential.open(
        settings().auth,
        vault,
        audit=observing.audit,
        revocations=revocations,
        redactor=observing.redactor,
    )
    tokens = await DeviceTokens.open(vault)
    authenticator = Authenticator(
        settings(),
        shared=shared,
        tokens=tokens,
        pairing=Pairing(database, tokens, clock=clock, publish=late.publish, audit=observing.audit),
        revocations=revocations,
        whois=TailscaleWhois(lambda: egress.unix_client(SOCKET_PATH), clock=clock),
        clock=clock,
        audit=observing.audit,
        metrics=observing.metrics,
    )
    devices = Devices(
        database,
        tokens,
        revocations=revocations,
        clock=clock,
        publish=late.publish,
        audit=observing.audit,
    )
    return Callers(shared=shared, authenticator=authenticator, devices=devices)
