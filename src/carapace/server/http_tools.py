"""`POST /tools/invoke`: one tool of an agent, called by a program.

What may be called, and with which scope, the tools' own lists say; here is only the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

import msgspec
from aiohttp import web

from carapace.agent.tools.invoke import Invoked, NotInvoked
from carapace.auth.types import Caller
from carapace.errors import Refused
from carapace.server.http_access import HttpAccess
from carapace.server.http_errors import error_response, json_response, read_body

__all__ = ["Invoker", "ToolRoutes"]

_MAX_BODY: Final = 2 * 1024 * 1024
_BODY_DEADLINE_S: Final = 30.0
_STATUS: Final = {"not_found": 404, "forbidden": 403}
_BAD_REQUEST: Final = "invalid_request_error"


class Invoker(Protocol):
    """Runs a tool outside of a turn (`carapace.agent.tools.invoke.ToolInvoker`)."""

    async def invoke(
        self,
        name: str,
        *,
        action: str | None = None,
        args: Mapping[str, Any] | None = None,
        session_key: str | None = None,
        caller: Caller,
    ) -> Invoked | NotInvoked:
        """Run it once, within its own time limit; what the caller sends is never an exception."""
        ...


class ToolRoutes:
    """The one endpoint.

    Args:
        invoker: Runs tools.
        access: Judges the credential.
    """

    def __init__(self, invoker: Invoker, *, access: HttpAccess) -> None:
        self._invoker = invoker
        self._access = access

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve it."""
        router.add_post("/tools/invoke", self.call)

    async def call(self, request: web.Request) -> web.Response:
        """Run a tool once."""
        # Any tool needs reading at least; the invoker asks for what the tool itself needs.
        caller = await self._access.caller(request, "agents.list")
        if isinstance(caller, web.Response):
            return caller
        body = await read_body(request, max_bytes=_MAX_BODY, deadline_s=_BODY_DEADLINE_S)
        asked = _decoded(body)
        name, action, key = (_text(asked, field) for field in ("tool", "action", "sessionKey"))
        args = asked.get("args")
        found = await self._invoker.invoke(
            name or "",
            action=action,
            args=cast("dict[str, Any]", args) if isinstance(args, dict) else None,
            session_key=key,
            caller=caller,
        )
        if isinstance(found, Invoked):
            return json_response({"ok": True, "result": found.result})
        if found.kind == _BAD_REQUEST:
            return error_response(400, found.message)
        error = {"type": found.kind, "message": found.message}
        return json_response({"ok": False, "error": error}, _STATUS.get(found.kind, 400))


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        given: object = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}") from None
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _text(asked: dict[str, Any], field: str) -> str | None:
    value = asked.get(field)
    return value if isinstance(value, str) else None
