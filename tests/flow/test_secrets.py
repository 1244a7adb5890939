"""Secrets that are planted and used are found nowhere afterwards, but where they belong."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from carapace_tools.golden.connection import Connection
from support.gateway import TOKEN, model_server, running_gateway, settings
from support.ws import connect_params, entered, peer, talk

PROVIDER_KEY = "planted-provider-key-4f1d9c2b7a"
WRONG = "planted-wrong-token-77aa01"


@pytest.mark.slow
async def test_no_secret_is_left_behind_in_logs_state_or_answers(tmp_path: Path):
    heard: list[str] = []
    async with model_server(tmp_path) as model:
        config = settings(model.port)
        for one in config["models"]["providers"].values():
            one["apiKey"] = PROVIDER_KEY
        config["logging"] = {"level": "trace", "consoleLevel": "trace"}
        async with running_gateway(tmp_path / "gateway", config) as gateway:
            async with peer(gateway.url, device="main") as admin:
                (hello,) = admin.answers("connect")
                device_token = str(hello["payload"]["auth"]["deviceToken"])
                await talk(admin, "main", "hello", "good")
                await talk(admin, "main", "[[error:401]] no", "bad")
                for name in ("config.get", "config.schema", "status", "health", "logs.tail"):
                    await admin.call(name, name, {})
                heard += [json.dumps(one) for one in admin.frames if one is not hello]
            async with peer(gateway.url, device="main", token=device_token) as again:
                assert (await again.call("h", "health", {}))["ok"] is True
            async with (
                aiohttp.ClientSession() as session,
                Connection(session, gateway.url, {}) as stranger,
            ):
                refusal = await entered(stranger, connect_params(token=WRONG))
                assert refusal["ok"] is False
                heard.append(json.dumps(refusal))
            async with aiohttp.ClientSession() as session:
                headers = {"Authorization": f"Bearer {WRONG}"}
                url = f"{gateway.http}/v1/models"
                async with session.get(url, headers=headers) as response:
                    assert response.status == 401
                    heard.append(await response.text())
            assert await gateway.stop() == 0
        texts = {f"answer {n}": text.encode() for n, text in enumerate(heard)}
        texts |= {"stderr": gateway.log().encode()}
        texts |= {
            str(file.relative_to(gateway.state_dir)): file.read_bytes()
            for file in gateway.state_dir.rglob("*")
            if file.is_file() and "last" not in file.name
        }
    assert any(name.endswith("carapace.db") for name in texts)
    assert any(name.startswith("audit") for name in texts)
    for secret in (TOKEN, PROVIDER_KEY, WRONG, device_token):
        assert [name for name, text in texts.items() if secret.encode() in text] == []
