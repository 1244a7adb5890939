"""`/health` says that the process answers, `/ready` whether it should be sent work.

What is wrong with readiness names rooms and folders, so strangers hear only yes or no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web

from carapace.auth.types import Origin
from carapace.errors import GatewayError
from carapace.server.http_errors import json_response
from carapace.server.ports import Admitter
from carapace.telemetry.health import Readiness

__all__ = ["HealthRoutes", "bearer_of"]

_LIVE: Final = {"ok": True, "status": "live"}
_UNAVAILABLE: Final = 503
_SCHEME: Final = "bearer "


def bearer_of(request: web.BaseRequest) -> str | None:
    """The credential in `Authorization: Bearer`, or None. Never from the query string."""
    value = request.headers.get(hdrs.AUTHORIZATION, "")
    if value[: len(_SCHEME)].lower() != _SCHEME:
        return None
    return value[len(_SCHEME) :].strip() or None


class HealthRoutes:
    """The two pages.

    Args:
        readiness: All checks.
        admitter: For details to those who show a credential.
        origin_of: Where a request comes from.
    """

    def __init__(
        self,
        readiness: Readiness,
        *,
        admitter: Admitter,
        origin_of: Callable[[web.BaseRequest], Origin],
    ) -> None:
        self._readiness = readiness
        self._admitter = admitter
        self._origin_of = origin_of

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them, under the names probes use."""
        for path in ("/health", "/healthz"):
            router.add_get(path, self.live)
        for path in ("/ready", "/readyz"):
            router.add_get(path, self.ready)

    async def live(self, _request: web.Request) -> web.Response:
        """The process answers; that is all this says."""
        return json_response(_LIVE)

    async def ready(self, request: web.Request) -> web.Response:
        """200 if all checks are fine, else 503."""
        report = self._readiness.report()
        payload: dict[str, object] = {
            "ok": report.is_ready,
            "status": "ready" if report.is_ready else "not ready",
        }
        if await self._may_see_details(request):
            said = {**report.reasons, **report.notes}
            payload["checks"] = {name: said.get(name, "ok") for name in report.checked}
        return json_response(payload, 200 if report.is_ready else _UNAVAILABLE)

    async def _may_see_details(self, request: web.Request) -> bool:
        origin = self._origin_of(request)
        if origin.is_local and origin.origin is None:
            return True
        secret = bearer_of(request)
        if secret is None:
            return False
        try:
            await self._admitter.bearer(secret, origin)
        except GatewayError:
            return False
        return True
