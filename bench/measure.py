"""What is measured, by one client for both gateways. Times in milliseconds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import statistics
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect

from peers import TOKEN, Peer, rss_mb

SCOPES = ["operator.admin"]
_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"carapace bench").digest())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _device(nonce: str) -> dict[str, Any]:
    raw = _KEY.public_key().public_bytes_raw()
    device_id, now_ms = hashlib.sha256(raw).hexdigest(), time.time_ns() // 1_000_000
    fields = [
        "v2",
        device_id,
        "cli",
        "cli",
        "operator",
        ",".join(SCOPES),
        str(now_ms),
        TOKEN,
        nonce,
    ]
    signature = _b64(_KEY.sign("|".join(fields).encode()))
    return {
        "id": device_id,
        "publicKey": _b64(raw),
        "signature": signature,
        "signedAt": now_ms,
        "nonce": nonce,
    }


class Client:
    """The smallest possible client: it matches ids by bytes and skips everything else."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    @classmethod
    async def open(cls, peer: Peer) -> Client:
        """Connect, sign in."""
        socket = await connect(
            peer.url, max_size=None, ping_interval=None, compression=None, open_timeout=60
        )
        challenge = json.loads(await socket.recv())
        client = {"id": "cli", "version": "1.0.0", "platform": "linux", "mode": "cli"}
        params = {
            "minProtocol": 3,
            "maxProtocol": 3,
            "client": client,
            "role": "operator",
            "scopes": SCOPES,
            "auth": {"token": TOKEN},
            "device": _device(challenge["payload"]["nonce"]),
        }
        frame = {"type": "req", "id": "c", "method": "connect", "params": params}
        await socket.send(json.dumps(frame))
        while True:
            answer = json.loads(await socket.recv())
            if answer.get("type") == "res":
                if not answer["ok"]:
                    raise RuntimeError(f"{peer.name} refused: {answer['error']}")
                return cls(socket)

    async def call(self, request_id: str, method: str, params: str = "{}") -> None:
        """One round trip; `params` is JSON."""
        await self.socket.send(
            f'{{"type":"req","id":"{request_id}","method":"{method}","params":{params}}}'
        )
        mark = f'"id":"{request_id}"'.encode()
        while True:
            raw = await self.socket.recv(decode=False)
            if raw[:40].find(b"res") >= 0 and mark in raw[:120]:
                if b'"ok":true' not in raw[:200]:
                    raise RuntimeError(f"{method}: {raw[:300]!r}")
                return

    async def close(self) -> None:
        """Hang up; a polite close would first have to read what the gateway has broadcast."""
        self.socket.transport.abort()
        await self.socket.wait_closed()


async def latency(peer: Peer, method: str, requests: int) -> float:
    """Median of sequential round trips on one connection."""
    client = await Client.open(peer)
    for i in range(30):
        await client.call(f"w{i}", method)
    samples: list[float] = []
    for i in range(requests):
        began = time.perf_counter()
        await client.call(f"r{i}", method)
        samples.append((time.perf_counter() - began) * 1000)
    await client.close()
    return statistics.median(samples)


async def throughput(peer: Peer, connections: int, requests: int) -> float:
    """`health` per second over so many connections, each asking one after another."""
    clients = [await Client.open(peer) for _ in range(connections)]
    per_client = max(1, requests // connections)

    async def work(client: Client) -> None:
        for i in range(per_client):
            await client.call(f"t{i}", "health")

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(work(client))
    seconds = time.perf_counter() - began
    for client in clients:
        await client.close()
    return connections * per_client / seconds


async def agent_turn(peer: Peer, turns: int, stamp: str) -> float:
    """Median from `agent` sent to its final response, each in a session of its own."""
    client = await Client.open(peer)
    samples: list[float] = []
    for i in range(turns + 2):
        run_id = f"bench-{stamp}-{i}"
        params = {
            "message": f"[[tokens:10]] {i}",
            "sessionKey": f"agent:main:{run_id}",
            "idempotencyKey": run_id,
        }
        began = time.perf_counter()
        frame = {"type": "req", "id": run_id, "method": "agent", "params": params}
        await client.socket.send(json.dumps(frame))
        await _until_final(client, run_id)
        if i >= 2:  # noqa: PLR2004 - two to warm up
            samples.append((time.perf_counter() - began) * 1000)
    await client.close()
    return statistics.median(samples)


async def _until_final(client: Client, run_id: str) -> None:
    while True:
        answer = json.loads(await client.socket.recv())
        if answer.get("type") != "res" or answer.get("id") != run_id:
            continue
        if not answer["ok"]:
            raise RuntimeError(str(answer["error"]))
        if answer["payload"]["status"] == "ok":
            return


async def chat_turn(port: int, turns: int, stamp: str, token: str) -> float:
    """Median of POST /v1/chat/completions, each with a user of its own, keep-alive."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    samples: list[float] = []
    for i in range(turns + 2):
        body = json.dumps(
            {
                "model": "clawdbot",
                "user": f"bench-{stamp}-{i}",
                "messages": [{"role": "user", "content": f"[[tokens:10]] {i}"}],
            }
        ).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
            f"content-type: application/json\r\nauthorization: Bearer {token}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        writer.write(head.encode() + body)
        await _read_response(reader)
        if i >= 2:  # noqa: PLR2004 - two to warm up
            samples.append((time.perf_counter() - began) * 1000)
    writer.close()
    return statistics.median(samples)


async def _read_response(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if " 200 " not in head.splitlines()[0]:
        raise RuntimeError(head)
    if "transfer-encoding: chunked" not in head:
        await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
        return
    while size := int((await reader.readline()).split(b";")[0], 16):
        await reader.readexactly(size + 2)
    await reader.readline()


async def connect_storm(peer: Peer, clients: int, at_once: int = 50) -> float:
    """Seconds until so many clients are signed in, `at_once` of them knocking at a time."""
    places = asyncio.Semaphore(at_once)
    opened: list[Client] = []

    async def knock() -> None:
        async with places:
            opened.append(await Client.open(peer))

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(knock())
    seconds = time.perf_counter() - started
    async with asyncio.TaskGroup() as group:
        for client in opened:
            group.create_task(client.close())
    return seconds


async def idle_kilobytes(peer: Peer, connections: int) -> float:
    """Kilobytes of memory that each of so many idle connections takes."""
    before = rss_mb(peer.pid)
    clients = [await Client.open(peer) for _ in range(connections)]
    await asyncio.sleep(2)
    after = rss_mb(peer.pid)
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.close())
    return (after - before) * 1000 / connections
