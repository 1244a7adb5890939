"""The configuration as clients see it."""

from __future__ import annotations

from support.methods import method_house


async def test_config_get_says_what_file_and_that_it_is_not_there():
    async with method_house() as house:
        answer = await house.call("config.get")
    assert (answer["exists"], answer["valid"], answer["issues"]) == (False, True, [])
    assert answer["path"].endswith("carapace.json")
    assert len(answer["hash"]) == 64


async def test_config_schema_has_schema_and_hints():
    async with method_house() as house:
        answer = await house.call("config.schema")
    assert answer["version"] == "test"
    assert answer["schema"]["properties"]["gateway"]
    assert answer["uiHints"]["gateway.auth.token"]["sensitive"]
    assert answer["generatedAt"] == "2026-01-02T00:00:00.000Z"
