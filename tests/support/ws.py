"""Clients of a gateway in another process: signed in as anybody, one `async with` each."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from carapace_tools.golden.connection import Connection
from carapace_tools.golden.identity import Identity
from support.gateway import TOKEN

__all__ = ["ALL_SCOPES", "TERMINAL", "chat_events", "connect_params", "entered", "peer", "talk"]

ALL_SCOPES = ("operator.admin", "operator.approvals", "operator.pairing")
TERMINAL = ("final", "aborted", "error")


def connect_params(
    *,
    role: str = "operator",
    scopes: Sequence[str] = ALL_SCOPES,
    token: str | None = TOKEN,
    client_id: str = "cli",
    mode: str = "cli",
) -> dict[str, Any]:
    """Connect params as the stock command line sends them, without a device."""
    return {
        "minProtocol": 3,
        "maxProtocol": 3,
        "client": {"id": client_id, "version": "1.0.0", "platform": "linux", "mode": mode},
        "role": role,
        "scopes": list(scopes),
        **({"auth": {"token": token}} if token is not None else {}),
    }


async def entered(
    connection: Connection, params: dict[str, Any], device: str | None = None
) -> dict[str, Any]:
    """Send `connect`, signed by the device of that name if one is given; the whole answer."""
    nonce = await connection.nonce()
    if device is not None:
        params = params | {
            "device": Identity(device).proof(
                params,
                version="v2",
                nonce=nonce,
                signed_at_ms=time.time_ns() // 1_000_000,
                token=params.get("auth", {}).get("token"),
            )
        }
    return await connection.call("connect", "connect", params)


@asynccontextmanager
async def peer(
    url: str, *, device: str | None = None, headers: dict[str, str] | None = None, **params: Any
) -> AsyncGenerator[Connection]:
    """A signed-in connection; `params` go to `connect_params`."""
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, url, headers or {}) as connection,
    ):
        answer = await entered(connection, connect_params(**params), device)
        assert answer["ok"], answer
        yield connection


def chat_events(connection: Connection, run_id: str, *states: str) -> list[dict[str, Any]]:
    """Payloads of a run's `chat` events in these states, all of them without any."""
    payloads = (frame["payload"] for frame in connection.events("chat"))
    return [
        one for one in payloads if one["runId"] == run_id and (not states or one["state"] in states)
    ]


async def talk(
    connection: Connection, session_key: str, message: str, run_id: str, *, timeout_s: float = 20.0
) -> dict[str, Any]:
    """Send a message and wait for its end; the last `chat` event's payload."""
    params = {"sessionKey": session_key, "message": message, "idempotencyKey": run_id}
    answer = await connection.call(f"send-{run_id}", "chat.send", params)
    assert answer["ok"], answer
    ends: list[dict[str, Any]] = await connection.until(
        lambda: chat_events(connection, run_id, *TERMINAL) or connection.closed,
        f"the end of {run_id}",
        timeout_s,
    )
    assert isinstance(ends, list), f"the connection closed: {ends}"
    return ends[0]
