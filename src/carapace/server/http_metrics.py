"""`/metrics` for Prometheus, on a listener of its own.

It listens on loopback; on any other address it wants a bearer token, or it does not start.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from aiohttp import web

from carapace.auth.compare import digest, same_secret
from carapace.config.settings.metrics import MetricsSettings
from carapace.errors import Failed, Refused
from carapace.server.headers import harden
from carapace.server.http_errors import error_response
from carapace.server.http_health import bearer_of
from carapace.telemetry.exposition import render
from carapace.telemetry.metrics import Metrics

__all__ = ["MetricsListener"]

_UNAUTHORIZED: Final = 401


class MetricsListener:
    """The page and its port.

    Raises:
        Refused: If the address is not loopback and no token is set.
    """

    def __init__(self, settings: MetricsSettings, metrics: Metrics) -> None:
        if not settings.token and not _is_loopback(settings.host):
            raise Refused(
                f"metrics.host is {settings.host!r}, so other machines could read the metrics, but "
                "no token is set: set metrics.token, or use metrics.host 127.0.0.1"
            )
        self._settings = settings
        self._metrics = metrics
        self._digest = digest(settings.token) if settings.token else None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            Failed: If the port cannot be had.
        """
        app = web.Application()
        app.on_response_prepare.append(harden)
        app.router.add_get("/metrics", self.page)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise Failed(
                f"the metrics listener cannot use {host}:{port} ({error.strerror}): set "
                "metrics.port to a free one, or metrics.enabled to false"
            ) from error
        self._runner = runner

    async def stop(self) -> None:
        """Let go of the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def page(self, request: web.Request) -> web.Response:
        """All metrics as text."""
        if self._digest is not None and not same_secret(bearer_of(request), self._digest):
            return error_response(_UNAUTHORIZED, "a bearer token is needed: metrics.token")
        body, content_type = render(self._metrics)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
