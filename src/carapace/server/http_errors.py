"""HTTP errors: one JSON shape, `{"error": {"message", "type"}}`, and the guard that makes it.

What is not there, and a method that does not fit, are said in plain words as the Node gateway
says them; below `/v1` a path that is not there is JSON, because programs read it there.

The guard stands before every route: it checks Host and Origin, gives a WebSocket its own way,
and turns whatever a handler raises into an answer that says nothing of our insides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import hdrs, web

from carapace.auth.types import ConnectRefused
from carapace.errors import GatewayError, Refused
from carapace.ids import new_id
from carapace.telemetry.log import get_logger

__all__ = [
    "BodyTooLarge",
    "Handler",
    "error_response",
    "json_response",
    "plain_response",
    "read_body",
    "translate",
]

_log = get_logger(__name__)
_ENCODE: Final = msgspec.json.Encoder().encode
_TYPES: Final = {
    400: "invalid_request_error",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    413: "request_too_large",
    429: "rate_limited",
    500: "api_error",
    502: "api_error",
    503: "unavailable",
}
_ERROR_ID_LENGTH: Final = 12
_API: Final = "/v1/"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BodyTooLarge(Refused):
    """A body is longer than its route allows."""


def json_response(payload: object, status: int = 200) -> web.Response:
    """`payload` as JSON."""
    return web.Response(
        status=status, body=_ENCODE(payload), content_type="application/json", charset="utf-8"
    )


def error_response(
    status: int, message: str, *, retry_after_s: float | None = None, kind: str | None = None
) -> web.Response:
    """An error in the one shape."""
    body = {"error": {"message": message, "type": kind or _TYPES.get(status, "api_error")}}
    response = json_response(body, status)
    if retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(max(1, int(retry_after_s + 0.999)))
    return response


def plain_response(status: int, text: str) -> web.Response:
    """A few words for whoever looks."""
    return web.Response(status=status, text=text, content_type="text/plain", charset="utf-8")


async def read_body(request: web.Request, *, max_bytes: int, deadline_s: float) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: As soon as that is known.
        TimeoutError: If it does not arrive in time.
    """
    text = (
        f"the body is longer than {max_bytes} bytes: send less, for example by leaving out "
        "old messages"
    )
    if (request.content_length or 0) > max_bytes:
        raise BodyTooLarge(text)
    body = bytearray()
    async with asyncio.timeout(deadline_s):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > max_bytes:
                raise BodyTooLarge(text)
    return bytes(body)


async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run `handler`; what it raises becomes an answer."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _routing(request, error)
    except TimeoutError:
        return error_response(408, "the request did not arrive in time: send it again")
    except GatewayError as error:
        return _refusal(error)
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 - the texts of our insides stay inside
        error_id = new_id()[:_ERROR_ID_LENGTH]
        _log.error("http request failed", error_id=error_id, exc_info=error)
        return error_response(
            500, f"something went wrong inside the gateway: look for {error_id} in its log"
        )


def _routing(request: web.Request, error: web.HTTPException) -> web.Response:
    """What the router says of a path or a method."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = error.headers[hdrs.ALLOW]
        response = plain_response(405, "Method Not Allowed")
        response.headers[hdrs.ALLOW] = allowed
        return response
    if not isinstance(error, web.HTTPNotFound):
        return error_response(error.status, error.reason)
    if request.path.startswith(_API):
        return error_response(404, "there is nothing at this path")
    return plain_response(404, "Not Found")


def _refusal(error: GatewayError) -> web.Response:
    if isinstance(error, BodyTooLarge):
        status = 413
    elif isinstance(error, ConnectRefused):
        status = 429 if error.retry_after_ms else 401
    elif isinstance(error, Refused):
        status = 429 if error.retry_after_ms else 400
    else:
        status = 503
    wait_s = error.retry_after_ms / 1000 if error.retry_after_ms else None
    return error_response(status, error.message, retry_after_s=wait_s)
