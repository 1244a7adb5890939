"""Writing the configuration over the wire, against the real process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from carapace.config.json5 import parse
from carapace.config.redact import MARKER
from carapace_tools.golden.connection import Connection
from support.gateway import TOKEN, Started, gateway_with_model
from support.ws import peer

pytestmark = pytest.mark.slow


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with gateway_with_model(tmp_path) as started:
        yield started


def stored(gateway: Started) -> dict[str, Any]:
    value: dict[str, Any] = parse((gateway.home / "carapace.json").read_text()).plain()
    return value


async def ask(admin: Connection, method: str, **params: Any) -> dict[str, Any]:
    """The payload of an answer that is ok."""
    answer = await admin.call(f"{method}-{len(admin.frames)}", method, params)
    assert answer["ok"], answer
    payload: dict[str, Any] = answer["payload"]
    return payload


async def test_the_whole_text_as_a_form_sends_it_back_keeps_every_secret(gateway):
    """What the Control UI does: edit `config`, which shows markers, and send all of it."""
    async with peer(gateway.url, device="admin") as admin:
        before = await ask(admin, "config.get")
        assert TOKEN not in json.dumps(before)
        form = before["config"]
        form["logging"] = {"level": "debug"}
        answer = await ask(
            admin, "config.set", raw=json.dumps(form, indent=2), baseHash=before["hash"]
        )
        assert answer["config"]["logging"] == {"level": "debug"}
        assert TOKEN not in json.dumps(answer)
        assert stored(gateway)["gateway"]["auth"]["token"] == TOKEN
        assert stored(gateway)["models"]["providers"]["fake"]["apiKey"] == "fake-key"
        after = await ask(admin, "config.get")
        assert after["hash"] != before["hash"]
        assert after["config"] == answer["config"]
    backup = gateway.home / "carapace.json.bak"
    assert json.loads(backup.read_text())["gateway"]["auth"]["token"] == TOKEN
    async with peer(gateway.url, device="admin"):
        pass  # the old token still opens the door


async def test_a_patch_of_live_settings_counts_at_once_and_cuts_nobody(gateway):
    async with peer(gateway.url, device="admin") as admin:
        before = await ask(admin, "config.get")
        patch = {
            "models": {
                "providers": {
                    "more": {"baseUrl": "http://127.0.0.1:9/v1", "models": [{"id": "m9"}]}
                }
            }
        }
        answer = await ask(admin, "config.patch", raw=json.dumps(patch), baseHash=before["hash"])
        assert "restart" not in answer
        listed = await ask(admin, "models.list")
        assert "m9" in [one["id"] for one in listed["models"]]
        gone = await ask(
            admin,
            "config.patch",
            raw="{models: {providers: {more: null}}}",
            baseHash=(await ask(admin, "config.get"))["hash"],
        )
        assert "more" not in gone["config"]["models"]["providers"]
        listed = await ask(admin, "models.list")
        assert "m9" not in [one["id"] for one in listed["models"]]
        assert admin.closed is None
        assert admin.events("shutdown") == []


async def test_a_new_token_counts_at_once(gateway):
    """Advisory B09: after a rotation the old secret opens nothing, without a restart."""
    async with peer(gateway.url, device="admin") as admin:
        before = await ask(admin, "config.get")
        raw = '{gateway: {auth: {token: "another-token-0123456789"}}}'
        await ask(admin, "config.patch", raw=raw, baseHash=before["hash"])
        await admin.until(lambda: admin.closed, "the end of who came with the old token")
    with pytest.raises(AssertionError, match="unauthorized"):
        async with peer(gateway.url):
            pass
    async with peer(gateway.url, token="another-token-0123456789"):
        pass


async def test_only_administrators_write(gateway):
    scopes = ("operator.read", "operator.write", "operator.approvals", "operator.pairing")
    async with peer(gateway.url, scopes=scopes) as person:
        for method in ("config.set", "config.patch", "config.apply"):
            answer = await person.call(method, method, {"raw": "{}", "baseHash": "x"})
            assert answer["error"]["message"] == "missing scope: operator.admin"


async def test_settings_that_would_keep_it_from_starting_are_refused(gateway):
    text = (gateway.home / "carapace.json").read_text()
    async with peer(gateway.url, device="admin") as admin:
        for raw in (
            "{gateway: {mode: 'remote'}}",
            "{gateway: {tls: {enabled: true}}}",
            "{gateway: {bind: 'custom'}}",
            f"{{hooks: {{token: '{MARKER}'}}}}",
        ):
            base = (await ask(admin, "config.get"))["hash"]
            answer = await admin.call(raw, "config.patch", {"raw": raw, "baseHash": base})
            assert answer["error"]["message"].startswith("invalid config")
            assert answer["error"]["details"]["issues"][0]["message"]
    assert (gateway.home / "carapace.json").read_text() == text
