"""Sends forged webhooks at a steady rate, for tests; prints what came back as JSON.

Run as a process of its own. The rate is kept by the clock, not by the answers: a server that
slows down gets no relief.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter

_CONNECTIONS = 16


def request_of(path: str, size: int) -> bytes:
    """A request that looks right in everything but its signature."""
    body = b'{"text":"' + b"x" * size + b'"}'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Carapace-Signature: t={int(time.time())},v1={'ab' * 32}\r\n\r\n"
    )
    return head.encode() + body


async def worker(port: int, data: bytes, due: asyncio.Queue[float], seen: Counter[str]) -> None:
    """One connection: the next request when it is due and the last one is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        await due.get()
        writer.write(data)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lengths = [
                int(line.partition(":")[2])
                for line in head.lower().splitlines()
                if line.startswith("content-length:")
            ]
            await reader.readexactly(lengths[0] if lengths else 0)
            seen[head.split()[1]] += 1
            is_over = "connection: close" in head.lower()
        except (asyncio.IncompleteReadError, ConnectionError):
            seen["cut"] += 1
            is_over = True
        if is_over:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)


async def flood(port: int, path: str, *, rate: int, seconds: float, size: int) -> dict[str, int]:
    """Send `rate` requests a second for `seconds`."""
    due: asyncio.Queue[float] = asyncio.Queue()
    seen: Counter[str] = Counter()
    data = request_of(path, size)
    workers = [asyncio.ensure_future(worker(port, data, due, seen)) for _ in range(_CONNECTIONS)]
    begin = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - begin) < seconds:
        while sent < passed * rate:
            due.put_nowait(passed)
            sent += 1
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.3)  # the last answers
    for one in workers:
        one.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return {"sent": sent, **seen}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("port", "rate", "size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--path", required=True)
    told = parser.parse_args()
    figures = asyncio.run(
        flood(told.port, told.path, rate=told.rate, seconds=told.seconds, size=told.size)
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
