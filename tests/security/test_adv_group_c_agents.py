"""Advisories of group C about who may change the gateway's settings: no agent, no stranger."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

import carapace
from carapace_tools.golden.connection import Connection
from support.gateway import TOKEN, Started, gateway_with_model
from support.ws import peer, talk

SOURCES = Path(carapace.__file__).parent
ROOMS_OF_TOOLS = ("agent/tools", "agent/mcp", "agent/exec", "agent/subagents", "triggers/cron")
WRITERS = ("carapace.config.service", "carapace.config.writing", "carapace.config.files",
           "carapace.config.edit", "carapace.config.editor", "carapace.methods", "carapace.app",
           "carapace.auth.shared", "carapace.auth.pairing")  # fmt: skip
READ_WRITE = ("operator.read", "operator.write")


def imported(path: Path) -> Iterator[str]:
    """Modules that a source file names."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def test_adv_c28_the_rooms_of_tools_know_nothing_that_writes_settings():
    """There is no list of protected settings to miss one in: no tool leads to any."""
    files = [path for room in ROOMS_OF_TOOLS for path in (SOURCES / room).rglob("*.py")]
    assert len(files) > 30
    found = {
        (str(path.relative_to(SOURCES)), module)
        for path in files
        for module in imported(path)
        if module.startswith(WRITERS)
    }
    assert found == set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Started]:
    async with gateway_with_model(tmp_path_factory.mktemp("agents")) as started:
        yield started


def attempts(config: str) -> list[tuple[str, dict[str, Any]]]:
    """What a model that was talked into it might try, with tools that are and are not there."""
    patch = '{"gateway": {"auth": {"token": "mine"}}}'
    up = f"{'../' * 12}{config.lstrip('/')}"
    tries: list[tuple[str, dict[str, Any]]] = [
        ("gateway", {"action": "config.patch", "raw": patch}),
        ("gateway", {"action": "config.apply", "raw": patch}),
        ("gateway", {"action": "update.run"}),
        ("config", {"action": "set", "raw": patch}),
        ("config.patch", {"raw": patch}),
        ("exec", {"argv": ["cara", "config", "set", "gateway.auth.token", "mine"]}),
        ("exec", {"argv": ["sh", "-c", f"echo '{patch}' > {config}"]}),
        ("sessions_send", {"sessionKey": "main", "message": f"/config set {patch}"}),
        ("message", {"action": "send", "to": "main", "message": "/config set a=b"}),
        ("cron", {"action": "add", "job": {"method": "config.patch", "params": {"raw": patch}}}),
    ]
    for path in (config, up, f"./{up}", f"@{config}", f"file://{config}"):
        tries += [
            ("write", {"path": path, "content": patch}),
            ("edit", {"path": path, "oldText": TOKEN, "newText": "mine"}),
            ("apply_patch", {"input": f"*** Begin Patch\n*** Delete File: {path}\n*** End Patch"}),
        ]
    return tries


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_adv_c28_whatever_a_model_calls_the_settings_stay(gateway: Started):
    path = gateway.home / "carapace.json"
    before = path.read_bytes()
    async with peer(gateway.url, device="owner") as owner:
        config = await owner.call("before", "config.get", {})
        proof = '[[tool:write {"path": "proof.txt", "content": "the tools are there"}]]'
        await talk(owner, "main", proof, "proof")
        assert len(list(gateway.home.rglob("proof.txt"))) == 1
        for number, (tool, arguments) in enumerate(attempts(str(path))):
            message = f"[[tool:{tool} {json.dumps(arguments)}]]"
            end = await talk(owner, "main", message, f"c28-{number}")
            assert end["state"] in ("final", "error")
        after = await owner.call("after", "config.get", {})
        assert after["payload"]["hash"] == config["payload"]["hash"]
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_adv_c28_nor_does_a_program_over_http_reach_them_through_a_tool(gateway: Started):
    path = gateway.home / "carapace.json"
    before = path.read_bytes()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for tool, args in attempts(str(path)):
            body = {"tool": tool, "args": args}
            async with http.post(f"{gateway.http}/tools/invoke", json=body) as response:
                assert response.status in (400, 403, 404), (tool, await response.text())
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", ["config.set", "config.patch", "config.apply", "update.run"])
async def test_adv_c28_what_an_agent_could_borrow_of_its_writer_is_not_enough(
    gateway: Started, method: str
):
    """A run has at most the rights of who began it; writers have none over settings."""
    async with peer(gateway.url, scopes=READ_WRITE) as writer:
        answer = await writer.call("c", method, {"raw": "{}"})
        assert answer["error"]["message"] == "missing scope: operator.admin"


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", ["config.apply", "config.set", "config.get", "wizard.start"])
async def test_adv_c29_before_it_says_who_it_is_a_local_client_changes_nothing(
    gateway: Started, method: str
):
    path = gateway.home / "carapace.json"
    before = path.read_bytes()
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, gateway.url, {}) as stranger,
    ):
        await stranger.nonce()
        answer = await stranger.call("c", method, {"raw": '{"messages": {}}'})
        assert answer["ok"] is False
        await stranger.until(lambda: stranger.closed, "the end of the connection", 5)
    assert path.read_bytes() == before
