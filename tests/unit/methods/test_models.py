"""`models.list` is the catalogue."""

from __future__ import annotations

from support.methods import method_house


async def test_models_have_the_keys_clients_read():
    async with method_house() as house:
        (model,) = (await house.call("models.list"))["models"]
    assert (model["id"], model["provider"], model["contextWindow"]) == ("fake-1", "fake", 128_000)
