"""A whole gateway in this process: start, live change, stop, and a start that fails."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.app.gateway import Gateway
from carapace.app.options import Ready, UpOptions
from carapace.errors import GatewayError
from support.gateway import free_port
from support.polling import until
from support.server import ws_client

TOKEN = "a-token-for-this-test-0123"
pytestmark = pytest.mark.slow


def options(folder: Path, config: dict[str, Any] | str, **more: Any) -> UpOptions:
    folder.mkdir(exist_ok=True)
    path = folder / "carapace.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    values: dict[str, Any] = {"port": free_port(), "token": TOKEN, "no_model": True, **more}
    return UpOptions(config=str(path), state_dir=str(folder / "state"), **values)


@asynccontextmanager
async def running(given: UpOptions, home: Path) -> AsyncGenerator[tuple[Gateway, Ready]]:
    gateway = Gateway(given, environment={"HOME": str(home)})
    ready = await gateway.start()
    try:
        yield gateway, ready
    finally:
        await gateway.stop()


async def http(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


def audit_kinds(folder: Path) -> list[str]:
    text = (folder / "state/audit/audit.jsonl").read_text()
    return [json.loads(line)["kind"] for line in text.splitlines()]


async def test_it_listens_says_so_and_lets_go_of_everything(tmp_path: Path):
    given = options(tmp_path, {})
    async with running(given, tmp_path) as (_, ready):
        assert (ready.port, ready.config_issue, ready.token_source) == (
            given.port,
            None,
            "settings",
        )
        assert ready.url == f"ws://127.0.0.1:{ready.port}"
        base = f"http://127.0.0.1:{ready.port}"
        assert (await http(f"{base}/health"))[0] == 200
        status, report = await http(f"{base}/ready")
        assert {"store", "event loop", "providers", "config", "audit"} <= set(report["checks"])
        assert status == (200 if report["ok"] else 503)
        async with ws_client(base) as client:
            await client.event("connect.challenge")
            hello = await client.connect(auth={"token": TOKEN}, scopes=["operator.read"])
            assert hello["ok"], hello
            health = await client.call("health")
            assert health["payload"]["sessions"]["count"] == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ready.port)) != 0
    kinds = audit_kinds(tmp_path)
    assert "gateway.started" in kinds
    assert kinds[-1] == "gateway.stopped"


async def test_a_credential_is_made_and_kept_if_none_is_configured(tmp_path: Path):
    given = options(tmp_path, {}, token=None)
    async with running(given, tmp_path) as (_, ready):
        assert ready.token_source == "vault"
    assert (tmp_path / "state/credentials/vault.json").exists()
    assert "token" not in (tmp_path / "carapace.json").read_text()


async def test_a_saved_file_takes_effect_and_a_broken_one_only_complains(tmp_path: Path):
    given = options(tmp_path, {})
    path = tmp_path / "carapace.json"
    async with running(given, tmp_path) as (gateway, _):
        parts = gateway._parts
        assert parts is not None
        await asyncio.sleep(0)  # the watch takes its first look
        path.write_text('{"tools": {"deny": ["memory_write"]}, "session": {"mainKey": "home"}}')
        await until(lambda: parts.config.settings.tools.deny == ("memory_write",), deadline_s=12)
        assert parts.policies().main_key in ("main", "home")
        path.write_text('{"tools": {')
        await until(lambda: parts.config.trouble() is not None, deadline_s=12)
        assert parts.config.settings.tools.deny == ("memory_write",)
    assert "config.changed" in audit_kinds(tmp_path)


async def test_a_broken_file_boots_with_the_defaults_and_says_so(tmp_path: Path):
    async with running(options(tmp_path, "{"), tmp_path) as (_, ready):
        assert ready.config_issue is not None
        _, report = await http(f"http://127.0.0.1:{ready.port}/ready")
        assert not report["ok"]
        assert "configuration is broken" in report["checks"]["config"]


async def test_metrics_have_a_listener_of_their_own(tmp_path: Path):
    port = free_port()
    given = options(tmp_path, {"metrics": {"enabled": True, "port": port}})
    async with running(given, tmp_path):
        url = f"http://127.0.0.1:{port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert "carapace_build_info" in await answer.text()


async def test_a_port_that_is_taken_ends_the_start_and_closes_what_was_opened(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        given = options(tmp_path, {}, port=port)
        with pytest.raises(GatewayError, match=str(port)):
            await Gateway(given, environment={"HOME": str(tmp_path)}).start()
    async with running(given, tmp_path) as (_, ready):
        assert ready.port == port


async def test_stopping_what_never_started_is_quiet(tmp_path: Path):
    await Gateway(options(tmp_path, {}), environment={}).stop()
    assert not (tmp_path / "state").exists()


async def test_a_variable_without_sense_starts_nothing(tmp_path: Path):
    given = options(tmp_path, {}, port=None)
    gateway = Gateway(given, environment={"HOME": str(tmp_path), "CARAPACE_GATEWAY_PORT": "99999"})
    with pytest.raises(GatewayError, match="CARAPACE_GATEWAY_PORT"):
        await gateway.start()


async def test_a_client_of_another_gateway_runs_none(tmp_path: Path):
    config = {"gateway": {"mode": "remote", "remote": {"url": "wss://box.example"}}}
    gateway = Gateway(options(tmp_path, config), environment={"HOME": str(tmp_path)})
    with pytest.raises(GatewayError, match=r"wss://box\.example"):
        await gateway.start()


async def test_a_channel_that_no_plugin_brings_is_told_and_stops_nothing(tmp_path: Path):
    channels = {"telegram": {"botToken": "t"}, "signal": {"enabled": False}}
    async with running(options(tmp_path, {"channels": channels}), tmp_path) as (gateway, ready):
        assert ready.config_issue is None
        parts = gateway._parts
        assert parts is not None
        ring = parts.observing.ring
        await until(lambda: any(b"no plugin" in line for line in ring.since(0)[0]))
        (line,) = [one for one in ring.since(0)[0] if b"no plugin" in one]
        assert b'"telegram"' in line
        assert not (tmp_path / "state" / "plugins").exists()
