"""The stock Control UI of two releases, served by us to a headless browser, and used.

What it looks like is its own; that every tab is there, that nothing fails in the console, and that
what a person does in it is done, is ours.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from carapace_tools.golden.connection import Connection
from support.browser import Page, browser
from support.gateway import TOKEN, Started, model_server, running_gateway, settings
from support.polling import until
from support.stock_cli import CLAWDBOT, OPENCLAW, Brand, node_folder
from support.ws import connect_params, entered, peer

pytestmark = [
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

TABS = {
    "chat": "Direct gateway chat session",
    "overview": "Gateway Access",
    "channels": "Manage channels and settings",
    "instances": "Connected Instances",
    "sessions": "Active session keys",
    "cron": "Gateway-owned cron scheduler status",
    "skills": "Manage skill availability",
    "nodes": "Exec approvals",
    "config": "All Settings",
    "debug": "Manual RPC",
    "logs": "Gateway file logs",
}
# Pictures and fonts of other hosts: our policy does not let the page ask for them.
OUTSIDE = re.compile(r"'https://[^']+' violates|https://\S+$")


_IDS = itertools.count()


async def ask(operator: Connection, method: str, **params: Any) -> Any:
    """One request that must succeed."""
    answer = await operator.call(f"ask-{next(_IDS)}", method, params)
    assert answer["ok"], answer
    return answer["payload"]


@dataclass(frozen=True)
class Desk:
    """A person before a browser, and the gateway it shows."""

    page: Page
    gateway: Started

    async def go(self, tab: str) -> None:
        """Open a tab as a link would."""
        await self.page.open(f"{self.gateway.http}/{tab}?token={TOKEN}")
        await self.sees(TABS[tab])
        await self.page.until("/Health\\s+OK/.test(document.body.innerText)")

    async def sees(self, text: str) -> None:
        """Wait until the page shows `text`."""
        await self.page.until(f"document.body.innerText.includes({json.dumps(text)})")

    async def fill(self, label: str, value: str) -> None:
        """Put `value` into the field with that label, as typing would."""
        await self.page.value(
            """(([label, value]) => {
              const field = [...document.querySelectorAll('label')]
                .find(one => one.innerText.trim().startsWith(label))
                .querySelector('input, textarea, select');
              field.value = value;
              field.dispatchEvent(new Event('input', {bubbles: true}));
              field.dispatchEvent(new Event('change', {bubbles: true}));
            })"""
            f"({json.dumps([label, value])})"
        )


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[CLAWDBOT, OPENCLAW], ids=lambda brand: brand.name
)
async def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Desk]:
    brand: Brand = request.param
    root = node_folder(brand) / "node_modules" / brand.name / "dist" / "control-ui"
    home = tmp_path_factory.mktemp(brand.name)
    async with model_server(home) as model:
        config = settings(model.port, controlUi={"enabled": True, "root": str(root)})
        async with (
            running_gateway(home / "carapace", config) as gateway,
            browser(home / "browser") as page,
        ):
            yield Desk(page, gateway)


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def clean(desk: Desk) -> AsyncGenerator[None]:
    """After each test: the console said nothing of ours, and no request of ours failed."""
    desk.page.errors.clear()
    desk.page.failed.clear()
    yield
    assert [one for one in desk.page.errors if not OUTSIDE.search(one)] == []
    assert desk.page.failed == []


@pytest.mark.parametrize("tab", TABS)
async def test_every_tab_shows_what_it_is_for(desk: Desk, tab: str) -> None:
    await desk.go(tab)


async def test_a_chat_is_answered(desk: Desk) -> None:
    await desk.go("chat")
    await desk.page.type("textarea", "hello from the page")
    await desk.page.value(
        "document.querySelector('textarea').dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))"
    )
    await desk.sees("Echo: hello from the page")


async def test_a_cron_job_is_made_and_run(desk: Desk) -> None:
    await desk.go("cron")
    await desk.fill("Name", "from the page")
    await desk.fill("System text", "ring the bell")
    await desk.page.press("Add job")
    await desk.page.press("Run")
    async with peer(desk.gateway.url, device="an operator") as operator:
        [job] = (await ask(operator, "cron.list", includeDisabled=True))["jobs"]
        assert (job["name"], job["payload"]["text"]) == ("from the page", "ring the bell")
        runs: list[Any] = []
        while not runs:
            runs = (await ask(operator, "cron.runs", id=job["id"]))["entries"]
        assert runs[0]["jobId"] == job["id"]
        await ask(operator, "cron.remove", id=job["id"])


async def test_the_configuration_is_edited(desk: Desk) -> None:
    path = desk.gateway.home / "carapace.json"
    await desk.go("config")
    await desk.page.press("Raw")
    await desk.page.until("document.querySelector('textarea')?.value.includes('fake-1')")
    await desk.page.value(
        """(() => {
          const field = document.querySelector('textarea');
          const config = JSON.parse(field.value);
          config.logging = {level: 'debug'};
          field.value = JSON.stringify(config, null, 2);
          field.dispatchEvent(new Event('input', {bubbles: true}));
        })()"""
    )
    await desk.page.press("Save")
    await until(lambda: '"debug"' in path.read_text(), deadline_s=15)
    # What the page was shown in place of secrets is not what was written.
    assert json.loads(path.read_text())["gateway"]["auth"]["token"] == TOKEN
    await desk.page.until("!document.body.innerText.includes('config changed since')")


async def test_a_strange_device_is_approved(desk: Desk) -> None:
    far = {"X-Forwarded-For": "10.0.0.9"}
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, desk.gateway.url, far) as guest,
    ):
        refused = await entered(guest, connect_params(scopes=("operator.read",)), "a guest")
        assert refused["error"]["code"] == "NOT_PAIRED"
    await desk.go("nodes")
    await desk.page.press("Approve")
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, desk.gateway.url, far) as guest,
    ):
        await desk.page.until(
            "![...document.querySelectorAll('button')].some(b => b.innerText.trim() === 'Approve')"
        )
        admitted = await entered(guest, connect_params(scopes=("operator.read",)), "a guest")
        assert admitted["ok"], admitted


async def test_the_page_may_load_nothing_from_elsewhere_and_be_framed_by_nobody(
    desk: Desk, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session, session.get(desk.gateway.http + "/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'nonce-" in policy
    assert "unsafe-eval" not in policy
    await desk.go("chat")
    assert await desk.page.value("typeof window.__hostile") == "undefined"
    await desk.page.value(
        "(() => { const s = document.createElement('script');"
        " s.textContent = 'window.__hostile = 1'; document.head.append(s); })()"
    )
    assert await desk.page.value("typeof window.__hostile") == "undefined"
    desk.page.errors.clear()  # the browser's own word that it refused the script
