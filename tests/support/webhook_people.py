"""Who writes to a real gateway's webhook channel once, signed as that account wants it."""

from __future__ import annotations

import json
import time
from typing import Any

import aiohttp

from carapace.channels.builtin.webhook_wire import SIGNATURE_HEADER, sign

__all__ = ["post_signed", "write_direct"]


async def post_signed(
    http: aiohttp.ClientSession, url: str, body: bytes, secret: str, **headers: str
) -> int:
    """The status of one signed request."""
    signed = {SIGNATURE_HEADER: sign(secret, body, int(time.time()))}
    async with http.post(url, data=body, headers=signed | headers) as answer:
        return answer.status


async def write_direct(
    http: aiohttp.ClientSession, url: str, sender: str, text: str, *, secret: str, **more: Any
) -> int:
    """A direct message of somebody; the status of the answer."""
    message = {
        "id": f"{sender}-{text}"[:200],
        "sender": {"id": sender},
        "conversation": {"id": f"direct-{sender}", "type": "direct"},
        "text": text,
        **more,
    }
    return await post_signed(http, url, json.dumps(message).encode(), secret)
