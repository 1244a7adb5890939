"""A whole gateway, and a media server that means it harm, on a machine of their own.

Run as a program inside fresh namespaces (`support.namespace`), where the hostile server has a
public address and a certificate that the gateway trusts: none of the gateway's rules is widened for
it. Signed messages of the webhook channel bring its addresses, one trick each and
all at once. What the model was shown, how long `/health` took and how much memory the
gateway's process needed are printed as JSON.

    python -m support.hostile_world MAX_ITEM_MB
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from support.authority import shared_authority
from support.counting_peer import CountingPeer, counting_peer
from support.fake_llm import FakeLlm, fake_llm
from support.gateway import Started, running_gateway, settings
from support.hostile_media import TRICKS, HostileServer, hostile_server
from support.polling import until
from support.rebinding import PUBLIC
from support.script_people import Person, webhook_settings

__all__ = ["HEAP", "HEAP_NAME", "WARM_UP", "Report", "Shown"]

BASE = f"https://{PUBLIC}"
PING_EVERY_S = 0.02
DEADLINE_S = 200.0
WARM_UP = ("picture-as-page", "page-as-picture", "svg", "gzip-cut", "loop")
"""One of each outcome, so that everything is imported before memory is measured."""
HEAP_NAME = "heap"
HEAP = (
    "gzip-bomb",
    "deflate-bomb",
    "br-bomb",
    "zstd-bomb",
    "gzip-endless",
    "endless",
    "endless-chunks",
    "endless-error",
    "promised-pixels",
    "many-pixels",
)
"""What comes with one message, beside the messages with one trick each."""


@dataclass(frozen=True)
class Shown:
    """What the model got for one message.

    Attributes:
        text: The message with all notes.
        n_pictures: How many pictures came with it.
    """

    text: str
    n_pictures: int


@dataclass
class Report:
    """What the attack came to.

    Attributes:
        shown: By the name of the sender, which is that of its trick.
        grown_bytes: The gateway's peak of resident memory above what it was before.
        waits_s: How long each `/health` took.
        sent_bytes: How much the hostile server got rid of, by trick.
        n_stored: Files in the media folder at the end.
        seconds: How long it all took.
    """

    shown: dict[str, Shown] = field(default_factory=dict[str, Shown])
    grown_bytes: int = 0
    waits_s: list[float] = field(default_factory=list[float])
    sent_bytes: dict[str, int] = field(default_factory=dict[str, int])
    n_stored: int = 0
    seconds: float = 0.0


def make_public() -> None:
    """Loopback up, with a public address on it."""
    for words in (["link", "set", "lo", "up"], ["addr", "add", f"{PUBLIC}/32", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)


def config(model: FakeLlm, peer: CountingPeer, max_item_mb: int) -> dict[str, Any]:
    """A gateway whose model sees pictures and whose webhook channel takes everybody's groups."""
    made = settings(int(model.url.rpartition(":")[2]))
    made["models"]["providers"]["fake"]["models"][0]["input"] = ["text", "image"]
    made["agents"]["defaults"]["maxConcurrent"] = 64
    made["channels"] = {"webhook": webhook_settings(peer.url)}
    made["media"] = {"maxItemMb": max_item_mb}
    return made


class Attack:
    """The senders, and what they watch.

    Args:
        gateway: Their victim.
        model: What it asks.
        peer: Where it answers.
    """

    def __init__(self, gateway: Started, model: FakeLlm, peer: CountingPeer) -> None:
        self._gateway = gateway
        self._model = model
        self._peer = peer
        self._proc = Path(f"/proc/{gateway.ready['pid']}")
        self.waits_s: list[float] = []
        model.requests = type(model.requests)(maxlen=10 * len(TRICKS))

    async def send(
        self, client: aiohttp.ClientSession, round_: str, name: str, tricks: Sequence[str]
    ) -> None:
        """One message with these tricks attached, until it is answered."""
        person = Person(f"{round_}-{name}")
        url = f"{self._gateway.http}/channels/webhook/default"
        media = [{"url": f"{BASE}/{trick}"} for trick in tricks]
        message_id = await person.write(client, url, f"look at {round_} {name}!", media=media)
        await until(lambda: self._is_answered(message_id), deadline_s=DEADLINE_S)

    def _is_answered(self, message_id: str) -> bool:
        return any(one.body.get("replyTo") == message_id for one in self._peer.arrivals)

    async def send_all(self, round_: str, messages: Mapping[str, Sequence[str]]) -> None:
        """All of them at once: tricks by the name of their sender."""
        async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
            for name, tricks in messages.items():
                group.create_task(self.send(client, round_, name, tricks))

    async def ping(self) -> None:
        """Ask for health without end."""
        async with aiohttp.ClientSession() as client:
            while True:
                began_s = time.monotonic()
                async with client.get(f"{self._gateway.http}/health") as answer:
                    assert answer.status == 200
                self.waits_s.append(time.monotonic() - began_s)
                await asyncio.sleep(PING_EVERY_S)

    def peak_bytes(self, *, is_new: bool = False) -> int:
        """The most resident memory the gateway had, from now on if `is_new`."""
        if is_new:
            (self._proc / "clear_refs").write_text("5")  # proc(5)
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def shown(self, round_: str) -> dict[str, Shown]:
        """What the model got, by sender."""
        found: dict[str, Shown] = {}
        for request in self._model.requests:
            text, n_pictures = _user(request["body"]["messages"])
            if named := re.search(rf"look at {round_} ([a-z-]+)!", text):
                found[named[1]] = Shown(text, n_pictures)
        return found


def _user(messages: list[dict[str, Any]]) -> tuple[str, int]:
    content = next(one for one in reversed(messages) if one["role"] == "user")["content"]
    if isinstance(content, str):
        return content, 0
    texts = [part["text"] for part in content if part["type"] == "text"]
    return "\n".join(texts), sum(part["type"] == "image_url" for part in content)


async def attack(gateway: Started, model: FakeLlm, peer: CountingPeer) -> Report:
    """Warm up, measure, let all tricks loose at once, measure again."""
    attack, report = Attack(gateway, model, peer), Report()
    began_s = time.monotonic()
    messages: Mapping[str, Sequence[str]] = {name: (name,) for name in TRICKS} | {HEAP_NAME: HEAP}
    async with asyncio.timeout(DEADLINE_S):
        await attack.send_all("early", {name: (name,) for name in WARM_UP})
        before = attack.peak_bytes(is_new=True)
        pings = asyncio.create_task(attack.ping())
        await attack.send_all("late", messages)
        assert not pings.done(), "the gateway's health could not be asked for"
        pings.cancel()
        await asyncio.wait([pings])
    report.grown_bytes = attack.peak_bytes() - before
    report.shown, report.waits_s = attack.shown("late"), attack.waits_s
    report.seconds = time.monotonic() - began_s
    stored = (gateway.state_dir / "media").rglob("*")
    report.n_stored = sum(path.is_file() for path in stored)
    return report


async def main(folder: Path, max_item_mb: int) -> None:
    make_public()
    trust = folder / "trust.pem"
    trust.write_text(shared_authority().pem())
    os.environ["SSL_CERT_FILE"] = str(trust)
    hostile: HostileServer
    with counting_peer() as peer:
        async with (
            hostile_server(PUBLIC, 443, ssl_context=shared_authority().server(PUBLIC)) as hostile,
            fake_llm() as model,
            running_gateway(folder / "gateway", config(model, peer, max_item_mb)) as gateway,
        ):
            report = await attack(gateway, model, peer)
            report.sent_bytes = hostile.sent_bytes
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="carapace-hostile-") as text:
        asyncio.run(main(Path(text), int(sys.argv[1])))
        sys.stdout.flush()
