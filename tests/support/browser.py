"""A headless Chromium, driven over its own debugging protocol: what a person sees and clicks.

async with browser(folder) as page:
    await page.open("http://127.0.0.1:1234/")
    await page.until("document.title === 'Chat'")

Source: the Chrome DevTools Protocol, https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

__all__ = ["Page", "browser", "chromium"]

_START_S = 60.0
_CALL_S = 30.0
_POLL_S = 0.1
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def chromium() -> str:
    """The program; skips the test, with the reason, if there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no chromium here: install Debian's package chromium")
    return found


@dataclass
class Page:
    """One tab.

    Attributes:
        errors: What the console called an error, and scripts that threw, in order.
        failed: Requests to loopback that did not get an answer, with the reason.
    """

    socket: aiohttp.ClientWebSocketResponse
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _asked: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _urls: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        self._asked[self._count] = future
        await self.socket.send_json({"id": self._count, "method": method, "params": params})
        async with asyncio.timeout(_CALL_S):
            answer: dict[str, Any] = await future
        assert "error" not in answer, answer
        return answer["result"]

    async def open(self, url: str) -> None:
        """Go to `url`."""
        await self.call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """What a JavaScript expression is worth in the page; promises are awaited."""
        found = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, (script, found["exceptionDetails"])
        return found["result"].get("value")

    async def until(self, script: str, *, timeout_s: float = 20.0) -> None:
        """Wait until the expression is true; a page that is being loaded is asked again."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        while True:
            try:
                if await self.value(f"Boolean({script})"):
                    return
            except AssertionError:
                if loop.time() > end_s:
                    raise
            if loop.time() > end_s:
                text = await self.value("document.body ? document.body.innerText : ''")
                raise AssertionError(f"never true: {script}; the page says: {text[:3000]}")
            await asyncio.sleep(_POLL_S)

    async def type(self, selector: str, text: str) -> None:
        """Put the cursor into a field and type."""
        await self.until(f"document.querySelector({json.dumps(selector)})")
        await self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.call("Input.insertText", text=text)

    async def press(self, label: str) -> None:
        """Click the first button that shows `label`."""
        button = (
            "[...document.querySelectorAll('button')]"
            f".find(one => one.innerText.trim() === {json.dumps(label)} && !one.disabled)"
        )
        await self.until(button)
        await self.value(f"{button}.click()")

    async def picture(self, path: Path) -> None:
        """Write what is shown as a PNG file."""
        import base64  # noqa: PLC0415 - for a person who looks into a failure

        shot = await self.call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(shot["data"]))

    async def listen(self) -> None:
        """Read what the browser says, until it ends."""
        async for message in self.socket:
            frame: dict[str, Any] = json.loads(message.data)
            if "id" in frame:
                self._asked.pop(frame["id"]).set_result(frame)
            else:
                self._heard(frame["method"], frame["params"])

    def _heard(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"])[:2000])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}:
            self.errors.append(" ".join(str(one.get("value", one)) for one in params["args"]))
        elif method == "Network.requestWillBeSent":
            self._urls[params["requestId"]] = params["request"]["url"]
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            url = self._urls.get(params["requestId"], "?")
            if "127.0.0.1" in url:
                self.failed.append(f"{url} {params['errorText']}")


@asynccontextmanager
async def browser(folder: Path) -> AsyncGenerator[Page]:
    """A browser with one empty tab and a profile of its own, ended with the block."""
    command = (
        chromium(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1400,1000",
        # Nothing outside of this machine is asked, not even a name server.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}",
        "about:blank",
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "chromium.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        port = await _debugging_port(folder / "profile" / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            socket = await session.ws_connect(
                await _page_url(session, port), max_msg_size=_MAX_MESSAGE_BYTES
            )
            page = Page(socket)
            group.create_task(page.listen())
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.call(f"{domain}.enable")
            try:
                yield page
            finally:
                await socket.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _debugging_port(path: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(_START_S):
        while not (path.exists() and path.read_text().strip()):
            assert process.returncode is None, "chromium ended; see chromium.log"
            await asyncio.sleep(_POLL_S)
    return int(path.read_text().split()[0])


async def _page_url(session: aiohttp.ClientSession, port: int) -> str:
    async with asyncio.timeout(_START_S):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs: list[dict[str, Any]] = await answer.json(content_type=None)
            for tab in tabs:
                if tab["type"] == "page":
                    return str(tab["webSocketDebuggerUrl"])
            await asyncio.sleep(_POLL_S)
