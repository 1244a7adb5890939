"""Headers that every HTTP answer carries: nothing is framed, sniffed, cached or told onward."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

__all__ = ["harden"]

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


async def harden(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal: add what is missing, take away what tells too much.

    A handler that has set one of the headers has thought about it and wins.
    """
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    response.headers.popall(hdrs.SERVER, None)
