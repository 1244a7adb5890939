"""Who makes an HTTP request, and whether it may: by the row of the method that does the same.

There is one table of scopes. An endpoint names the WebSocket method whose twin it is and takes
that row's scope, so that no second rule can drift away from the first; and `protocol.endpoints`
has to say the same of the route, or the endpoint opens for nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from carapace.auth.types import Caller, ConnectRefused, Origin
from carapace.errors import Failed
from carapace.protocol.endpoints import Gate, endpoint_at
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope, allows
from carapace.server.http_errors import error_response
from carapace.server.http_health import bearer_of
from carapace.server.ports import Admitter

__all__ = ["HttpAccess"]


class HttpAccess:
    """Judges requests that show a bearer.

    Args:
        admitter: Judges the credential.
        origin_of: Where a request comes from.
        methods: The one table of scopes.
    """

    def __init__(
        self,
        admitter: Admitter,
        *,
        origin_of: Callable[[web.BaseRequest], Origin],
        methods: Methods,
    ) -> None:
        self._admitter = admitter
        self._origin_of = origin_of
        self._methods = methods

    async def caller(self, request: web.Request, method: str) -> Caller | web.Response:
        """Who asks, or the refusal.

        Args:
            request: With its credential in `Authorization`; the router found its route.
            method: The WebSocket method that does the same.

        Raises:
            Failed: If the table of endpoints does not say so of this route.
        """
        _check_declared(request, method)
        try:
            caller = await self._admitter.bearer(bearer_of(request), self._origin_of(request))
        except ConnectRefused as error:
            if error.retry_after_ms:
                return error_response(429, error.message, retry_after_s=error.retry_after_ms / 1000)
            response = error_response(401, "Unauthorized")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        needed = self._methods[method].scope or Scope.ADMIN
        if not allows(caller.scopes, needed):
            return error_response(403, f"missing scope: {needed}")
        return caller


def _check_declared(request: web.Request, method: str) -> None:
    resource = request.match_info.route.resource
    path = request.path if resource is None else resource.canonical
    row = endpoint_at(request.method, path)
    if row is None or row.gate is not Gate.BEARER or row.twin != method:
        raise Failed(f"{request.method} {path} is not in the table of endpoints as {method}")
