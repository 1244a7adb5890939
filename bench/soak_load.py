"""Mixed load at a moderate rate: clients, people, hooks, strangers and changes of settings."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import websockets
from chat_peers import HttpServer, Person, json_response, signed
from measure import Client

from peers import Peer

__all__ = ["HOOK_TOKEN", "BadCallback", "Load"]

HOOK_TOKEN: Final = "hook-token-of-a-gateway-that-lives-for-hours"  # noqa: S105 - as it says
CLIENTS: Final = 24
PEOPLE: Final = 20
_SESSIONS: Final = 12
_MISBEHAVES: Final = 0.05
_TURN_S: Final = 60.0
_RETRY_S: Final = 0.5
_FAULTS: Final = (
    json_response(b"{}", "429 Too Many Requests", "Retry-After: 1\r\n"),
    json_response(b"{}", "500 Internal Server Error"),
    json_response(b"{}", "503 Service Unavailable"),
    b"\x00 this is no HTTP\r\n\r\n",
    b"",
)
_TEXTS: Final = (
    "[[tokens:8]]",
    "[[tokens:400]]",
    "[[tokens:600]]",
    "[[tokens:20]][[gap:5]]",
    "How are you?",
    "[[think:hm]][[tokens:300]]",
    "Look at https://127.0.0.1:9/page please",
)


class BadCallback:
    """Takes answers; five in a hundred times it misbehaves."""

    def __init__(self, seed: int) -> None:
        self.seen: Counter[str] = Counter()
        self.is_good = False
        self._luck = random.Random(seed)  # noqa: S311 - which fault
        self.server = HttpServer(self._answer)

    def _answer(self, body: bytes, at: float) -> bytes:  # noqa: ARG002 - as every server's
        if not self.is_good and self._luck.random() < _MISBEHAVES:
            self.seen["faults"] += 1
            return self._luck.choice(_FAULTS)
        self.seen["marked" if json.loads(body)["mayBeRepeat"] else "taken"] += 1
        return json_response(b"{}")


class Load:
    """Everybody who uses the gateway, or a `share` of them; `run` until it is cancelled."""

    def __init__(self, peer: Peer, config: Path, seed: int, *, share: float = 1.0) -> None:
        self._clients, self._people = round(CLIENTS * share), round(PEOPLE * share)
        self.done: Counter[str] = Counter()
        self._peer = peer
        self._config = config
        self._luck = random.Random(seed)  # noqa: S311 - pauses

    async def run(self, seconds: float) -> None:
        """Everybody at once, for so long; nobody is left afterwards."""
        kinds: list[Callable[[int], Awaitable[None]]] = [self._client] * self._clients
        kinds += [self._person] * self._people
        kinds += [self._forger, self._hook, self._owner, self._passer_by]
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._again_and_again(kind, number))
            for number, kind in enumerate(kinds)
        ]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                raise ended

    async def _again_and_again(self, visit: Callable[[int], Awaitable[None]], number: int) -> None:
        while True:
            await asyncio.sleep(self._luck.uniform(0, 2))
            try:
                await visit(number)
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                self.done[f"broken off: {type(error).__name__}"] += 1
                await asyncio.sleep(_RETRY_S)

    # ---- over WebSocket ----

    async def _client(self, number: int) -> None:
        """Comes, looks around, talks, goes; sometimes in the middle of an answer."""
        client = await Client.open(self._peer)
        try:
            for step in range(self._luck.randint(1, 6)):
                await client.call(f"h{step}", "health")
                await client.call(f"l{step}", "sessions.list")
                await _listen(client, self._luck.uniform(0, 3))
                await self._chat(client, f"agent:main:soak-{number % _SESSIONS}")
        finally:
            await client.close()
            self.done["clients"] += 1

    async def _chat(self, client: Client, session_key: str) -> None:
        run_id = uuid.uuid4().hex
        params = {
            "sessionKey": session_key,
            "message": self._luck.choice(_TEXTS),
            "idempotencyKey": run_id,
        }
        frame = {"type": "req", "id": run_id, "method": "chat.send", "params": params}
        await client.socket.send(json.dumps(frame))
        if self._luck.random() < 0.1:  # noqa: PLR2004 - one in ten does not wait
            return
        async with asyncio.timeout(_TURN_S):
            while not _ends(json.loads(await client.socket.recv()), run_id):
                pass
        self.done["chats"] += 1

    # ---- over HTTP ----

    async def _person(self, number: int) -> None:
        """Writes a few messages into a group or in private."""
        person = Person(f"p{number}", self._peer.port, {})
        await person.connect()
        try:
            for _ in range(self._luck.randint(1, 10)):
                status, _ = await person.post(signed(self._message(number)))
                self.done[f"webhook {status}"] += 1
                await asyncio.sleep(self._luck.uniform(1, 6))
        finally:
            person.close()

    def _message(self, number: int) -> bytes:
        message: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "sender": {"id": f"p{number}"},
            "text": self._luck.choice(_TEXTS),
        }
        if number % 2:
            message["conversation"] = {"id": f"group-{number % 8}", "type": "group"}
        if self._luck.random() < 0.1:  # noqa: PLR2004 - one in ten has a picture nobody may fetch
            message["media"] = [{"url": "https://127.0.0.1:9/picture.png"}]
        return json.dumps(message).encode()

    async def _forger(self, number: int) -> None:
        """Posts what somebody else signed."""
        forger = Person("forger", self._peer.port, {})
        await forger.connect()
        try:
            for _ in range(20):
                body = self._message(number)
                status, _ = await forger.post(signed(body, "not the secret of anybody here"))
                self.done[f"forged {status}"] += 1
                await asyncio.sleep(self._luck.uniform(0, 0.4))
        finally:
            forger.close()

    async def _hook(self, number: int) -> None:
        """Another program wakes the assistant or starts a turn."""
        body: dict[str, Any] = {"message": "[[tokens:5]]", "deliver": False}
        path = "/hooks/agent"
        if self._luck.random() < 0.5:  # noqa: PLR2004 - half of them
            body, path = {"text": "[[tokens:5]] The washing machine is done."}, "/hooks/wake"
        headers = f"Authorization: Bearer {HOOK_TOKEN}\r\nContent-Type: application/json\r\n"
        status = await self._ask(f"h{number}", "POST", path, headers, json.dumps(body).encode())
        self.done[f"hook {status}"] += 1
        await asyncio.sleep(self._luck.uniform(4, 12))

    async def _passer_by(self, number: int) -> None:
        """Asks for pages: a health check, and a link that leads nowhere."""
        for path in ("/health", f"/media/{uuid.uuid4().hex}"):
            status = await self._ask(f"g{number}", "GET", path)
            self.done[f"{path.split('/')[1]} page {status}"] += 1

    async def _ask(
        self, name: str, method: str, path: str, headers: str = "", body: bytes = b""
    ) -> int:
        asker = Person(name, self._peer.port, {})
        await asker.connect()
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
            head += f"Content-Length: {len(body)}\r\n\r\n"
            status, _ = await asker.post(head.encode() + body)
            return status
        finally:
            asker.close()

    async def _owner(self, number: int) -> None:  # noqa: ARG002 - one of them is enough
        """Changes a setting now and then."""
        await asyncio.sleep(self._luck.uniform(10, 30))
        found = json.loads(await asyncio.to_thread(self._config.read_text))
        messages = found.setdefault("messages", {})
        messages["responsePrefix"] = self._luck.choice(["", "[home] ", "[bot] "])
        fresh = self._config.with_suffix(".new")
        await asyncio.to_thread(fresh.write_text, json.dumps(found))
        await asyncio.to_thread(fresh.replace, self._config)
        self.done["settings changed"] += 1


async def _listen(client: Client, seconds: float) -> None:
    """Pause, and read what is broadcast: who does not read is cut off as a slow consumer."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                await client.socket.recv()
    except TimeoutError:
        return


def _ends(frame: dict[str, Any], run_id: str) -> bool:
    """Whether this is the last that a client hears of a run."""
    if frame.get("type") == "res" and frame.get("id") == run_id:
        return not frame["ok"]
    payload = frame.get("payload") or {}
    is_chat = frame.get("event") == "chat" and payload.get("runId") == run_id
    return is_chat and payload.get("state") in {"final", "error", "aborted"}
