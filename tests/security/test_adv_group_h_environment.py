"""Advisories of group H about the environment, and about secrets that go where they should not."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from carapace.cli.options import Remote
from carapace.cli.target import find_target
from carapace.cli.trouble import Trouble
from carapace.config.load import Overrides
from carapace.config.paths import Paths
from carapace.config.service import ConfigService
from carapace.config.settings import Settings
from carapace.errors import Refused
from support.commands import Yard
from support.fake_llm import FakeLlm, fake_llm
from support.gateway import TOKEN, Started, ended, settings, start_gateway
from support.house import built
from support.ws import peer, talk

CANARY = "planted-provider-key-90f1c2d3e4"
STOLEN = "a-token-from-a-dot-env-0123456789"
DOT_ENV = f"""
CARAPACE_GATEWAY_TOKEN={STOLEN}
OPENCLAW_GATEWAY_TOKEN={STOLEN}
CLAWDBOT_GATEWAY_TOKEN={STOLEN}
CARAPACE_GATEWAY_PORT=1
CARAPACE_STATE_DIR=/nonexistent
CARAPACE_CONFIG_PATH=/nonexistent.json
OPENAI_API_KEY=sk-from-a-dot-env
OPENAI_BASE_URL=http://evil.test/v1
HTTPS_PROXY=http://evil.test:1
"""


@dataclass
class Place:
    """A gateway, the model it asks, and a file that only hostile variables would make."""

    gateway: Started
    model: FakeLlm
    proof: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """Started among `.env` files, with variables that make shells and loaders run things."""
    folder = tmp_path_factory.mktemp("environment")
    home, workspace, proof = folder / "home", folder / "workspace", folder / "proof"
    for one in (home, home / "state", home / ".openclaw", home / ".carapace", workspace):
        one.mkdir(parents=True)
        (one / ".env").write_text(DOT_ENV)
    evil = folder / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {proof}\n")
    evil.chmod(0o755)
    hostile = ("SHELL", "BASH_ENV", "ENV", "PAGER", "EDITOR", "BROWSER")
    variables = {name: str(evil) for name in hostile}
    async with fake_llm() as model:
        config = settings(int(model.url.rpartition(":")[2]))
        config["agents"]["defaults"]["workspace"] = str(workspace)
        config["models"]["providers"]["fake"]["apiKey"] = CANARY
        names = ("LD_PRELOAD", "PATH", "SHELL", "BASH_ENV", "NODE_OPTIONS", "PYTHONPATH")
        config["env"] = {"vars": {**dict.fromkeys(names, str(evil)), **_parsed(DOT_ENV)}}
        started = await start_gateway(home, config, variables=variables)
        try:
            yield Place(started, model, proof)
        finally:
            await ended(started)


def _parsed(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.split())


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_adv_h03_no_dot_env_says_anything(place: Place):
    """Not that of the folder it starts in, nor the workspace's, nor that of the state folder."""
    assert Path(place.gateway.ready["stateDir"]) == place.gateway.state_dir
    assert place.gateway.port != 1
    async with aiohttp.ClientSession() as http:
        for token, status in ((STOLEN, 401), (TOKEN, 200)):
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{place.gateway.http}/v1/models"
            async with http.get(url, headers=headers) as response:
                assert response.status == status
    async with peer(place.gateway.url, scopes=("operator.read", "operator.write")) as person:
        assert (await talk(person, "main", "hello", "h03"))["state"] == "final"
    assert place.model.counts.total() > 0


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_adv_h04_no_variable_has_a_program_run_at_the_start(place: Place):
    """No login shell is asked for its PATH, and no child is started with what is found there."""
    async with peer(place.gateway.url, scopes=("operator.read", "operator.write")) as person:
        assert (await talk(person, "main", "hello", "h04"))["state"] == "final"
    assert not place.proof.exists()


@pytest.mark.slow
async def test_adv_h04_variables_of_the_configuration_are_not_the_processes(tmp_path: Path):
    names = ("LD_PRELOAD", "PATH", "BASH_ENV", "CARAPACE_GATEWAY_TOKEN", "A_NEW_NAME")
    config = {"env": {"vars": dict.fromkeys(names, "/evil"), "ANOTHER": "/evil"}}
    before = dict(os.environ)
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack, json.dumps(config))
        assert parts.config.settings.env.vars["LD_PRELOAD"] == "/evil"
        assert dict(os.environ) == before
        assert parts.config.settings.gateway.auth.token is None


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_adv_h06_the_gateways_token_is_in_nothing_that_a_model_reads(place: Place):
    """Neither itself nor a hash of it: ids and marks in prompts come from elsewhere."""
    async with peer(place.gateway.url, scopes=("operator.read", "operator.write")) as person:
        await talk(person, "main", "who am I? /status", "h06-a")
        await talk(person, "main", '[[tool:session_status {"sessionKey": "main"}]]', "h06-b")
    sent = json.dumps([*place.model.requests], default=str) + json.dumps(place.model.headers)
    assert "who am I" in sent
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        for text in (TOKEN, CANARY):
            made = hashlib.new(algorithm, text.encode()).hexdigest()
            assert made[:12] not in sent
    assert TOKEN not in sent
    assert TOKEN[:12] not in sent


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_adv_h07_there_is_no_export_that_could_forget_to_redact(place: Place):
    """No method or path gives a whole trajectory away; what does show runs shows no secret."""
    answers: list[Any] = []
    async with peer(place.gateway.url, device="owner") as owner:
        await talk(owner, "main", "[[error:401]] refused", "h07")
        for method in ("sessions.export", "trajectory.export", "chat.export", "debug.export"):
            answer = await owner.call(method, method, {"sessionKey": "main"})
            assert "unknown method" in answer["error"]["message"]
        for method, params in (
            ("chat.history", {"sessionKey": "main"}),
            ("sessions.preview", {"keys": ["main"]}),
            ("sessions.list", {"includeLastMessage": True}),
            ("usage.cost", {}),
            ("logs.tail", {}),
            ("models.list", {}),
        ):
            answers.append(await owner.call(method, method, params))
            assert answers[-1]["ok"], answers[-1]
    told = json.dumps(answers)
    for secret in (CANARY, TOKEN, STOLEN, "sk-from-a-dot-env"):
        assert secret not in told


# H08: a secret that cannot be read is an error


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "carapace.json", tmp_path / "state")
    found.make_state_dir()
    return found


def test_adv_h08_a_missing_local_secret_is_not_replaced_by_the_remote_one(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    remote = {"url": "wss://far.example", "token": "token-of-the-far-gateway"}
    auth = {"token": "${NOT_SET_ANYWHERE}"}
    given = {"gateway": {"mode": "local", "auth": auth, "remote": remote}}
    paths.config_path.write_text(json.dumps(given))
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    with pytest.raises(Trouble) as caught:
        find_target(Remote(config=str(paths.config_path), state_dir=str(paths.state_dir)))
    assert "NOT_SET_ANYWHERE" in str(caught.value.why)


@pytest.mark.parametrize(
    "part",
    [
        {"gateway": {"auth": {"token": "${GONE}"}}},
        {"gateway": {"auth": {"mode": "password", "password": "${GONE}"}}},
        {"models": {"providers": {"openai": {"apiKey": "${GONE}"}}}},
        {"hooks": {"enabled": True, "token": "${GONE}"}},
    ],
)
def test_adv_h08_a_variable_that_is_not_there_is_an_error_and_no_empty_secret(
    paths: Paths, part: dict[str, Any]
):
    """It cannot be written; and a file that has it counts as broken, as a whole."""
    environment = {"OPENAI_API_KEY": "another", "GONE": ""}
    paths.config_path.write_text("{}")
    service = ConfigService(paths, Overrides(environment))
    with pytest.raises(Refused) as caught:
        service.draft_patch(json.dumps(part), base_hash=service.snapshot().hash)
    assert "GONE" in str(caught.value.details)
    paths.config_path.write_text(json.dumps(part))
    service.reload()
    assert service.settings == Settings()
    assert "GONE" in str(service.trouble())


# H09: tools see no environment


@pytest.mark.slow
async def test_adv_h09_a_program_reads_no_variable_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As `jq` and `awk` can, without a look at any file."""
    monkeypatch.setenv("PLANTED_KEY", CANARY)
    script = 'BEGIN { for (name in ENVIRON) print name "=" ENVIRON[name] }'
    kept = await Yard(tmp_path).run(["awk", script])
    text = kept.stdout.text + kept.stderr.text
    assert "PATH=" in text
    assert "PLANTED_KEY" not in text
    assert CANARY not in text
