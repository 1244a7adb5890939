"""Crabline, the upstream project's protocol server for channels, as a process.

`CARAPACE_CRABLINE` names the folder where the package `@openclaw/crabline` was installed.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

__all__ = ["Crabline", "crabline", "crabline_folder"]

TOKEN = "12345689:crabline-abc-xyz"
_ADMIN = "admin-token-of-crabline-xyz"
_START_DEADLINE_S = 30.0


def crabline_folder() -> Path:
    """Where it is; skips the test, with the reason, if it is nowhere."""
    named = os.environ.get("CARAPACE_CRABLINE")
    if not named:
        pytest.skip(
            "Crabline is not here: run npm install @openclaw/crabline@0.1.27 in some folder and "
            "set CARAPACE_CRABLINE to it"
        )
    if not _program(Path(named)).is_file():
        pytest.skip(f"CARAPACE_CRABLINE is {named}, and there is no Crabline in it")
    return Path(named)


def _program(folder: Path) -> Path:
    return (
        folder / "node_modules" / "@openclaw" / "crabline" / "dist" / "src" / "bin" / "crabline.js"
    )


@dataclass(frozen=True)
class Crabline:
    """A running one."""

    url: str
    recorder: Path
    token: str = TOKEN

    def write(self, text: str, **more: Any) -> Mapping[str, Any]:
        """A person writes; as `ZaloServer.write`. Returns the update."""
        sender = more.get("sender", "7a1b")
        value = {
            "chatId": more.get("chat", sender),
            "chatType": "GROUP" if more.get("group") else "PRIVATE",
            "senderId": sender,
            "senderName": more.get("name", "Linh"),
            "text": text,
        }
        parts = urlsplit(self.url)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        try:
            headers = {"Content-Type": "application/json", "X-Crabline-Admin-Token": _ADMIN}
            line.request("POST", "/crabline/zalo/inbound", json.dumps(value).encode(), headers)
            response = line.getresponse()
            answer = json.loads(response.read())
        finally:
            line.close()
        if not answer.get("ok"):
            raise AssertionError(f"Crabline answered {response.status}: {answer}")
        return answer["result"]

    def called(self, method: str) -> list[Mapping[str, Any]]:
        """The fields of each call of `method`, as it wrote them down."""
        lines = self.recorder.read_text().splitlines() if self.recorder.exists() else []
        events = [json.loads(line) for line in lines]
        return [
            one.get("body", {})
            for one in events
            if one["type"] == "api" and one["path"].endswith("/" + method)
        ]

    def await_calls(
        self, method: str, count: int, timeout_s: float = 10.0
    ) -> list[Mapping[str, Any]]:
        """The same, when there are so many."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.called(method)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} calls of {method}"
            time.sleep(0.02)
        return found


@contextmanager
def crabline(folder: Path, home: Path) -> Generator[Crabline]:
    """Run it, with all its files in `home`."""
    ready, recorder = home / "ready.json", home / "zalo.jsonl"
    command = ["node", str(_program(folder)), "--json"]
    command += ["serve", "zalo", "--host", "127.0.0.1", "--port", "0"]
    command += ["--recorder", str(recorder), "--ready-file", str(ready)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    environment |= {"CRABLINE_BOT_TOKEN": TOKEN, "CRABLINE_ADMIN_TOKEN": _ADMIN}
    with (home / "crabline.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield Crabline(_url(process, ready, home), recorder)
        finally:
            process.terminate()
            process.wait(10)


def _url(process: subprocess.Popen[bytes], ready: Path, home: Path) -> str:
    deadline = time.monotonic() + _START_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return json.loads(ready.read_text())["baseUrl"]
        except (OSError, ValueError, KeyError):
            time.sleep(0.05)
    raise AssertionError(f"Crabline did not start: {(home / 'crabline.log').read_text()[-2000:]}")
