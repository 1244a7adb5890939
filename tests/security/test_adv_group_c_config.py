"""Advisories about what reads of the configuration give away."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.config.catalogue import ANY, entries
from support.methods import MethodHouse, method_house

CANARY = "canary-7f3a"


def planted() -> dict[str, Any]:
    """The canary in every secret, in addresses, and where plugins keep theirs."""
    root: dict[str, Any] = {
        "channels": {"someplugin": {"botToken": CANARY, "deep": [{"api_key": CANARY}]}},
        "plugins": {"entries": {"other": {"config": {"clientSecret": CANARY}}}},
        "unknown": {"password": CANARY, "url": f"https://me:{CANARY}@example.org/"},
        "models": {
            "providers": {"one": {"baseUrl": f"https://me:{CANARY}@example.org/v1", "models": []}}
        },
    }
    for entry in entries():
        if entry.field.secret and ANY not in entry.key:
            here = root
            for name in entry.key[:-1]:
                here = here.setdefault(str(name), {})
            secret = f"{CANARY}-0123456789"
            is_map = entry.field.shape.kind == "map"
            here[str(entry.key[-1])] = {"NAME": secret} if is_map else secret
    return root


async def everything(house: MethodHouse) -> str:
    """What an operator reads of configuration and state."""
    reads = ("config.get", "config.schema", "health", "status", "models.list", "logs.tail")
    return msgspec.json.encode([await house.call(method) for method in reads]).decode()


async def test_adv_c27_no_read_shows_a_secret_of_the_configuration():
    async with method_house() as house:
        config = house.services.config
        text = msgspec.json.encode(planted()).decode()
        assert text.count(CANARY) > 8
        config.paths.config_path.write_text(text)
        config.reload()
        assert CANARY not in await everything(house)
        shown = await house.call("config.get")
        params = {"raw": shown["raw"], "baseHash": shown["hash"]}
        assert CANARY not in str(await house.call("config.set", params))
        assert config.paths.config_path.read_text() == text
