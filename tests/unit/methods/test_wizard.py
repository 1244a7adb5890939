"""The first steps over the wire, as the recorded gateway's clients walk them."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.errors import Failed, Refused
from support.methods import MethodHouse, method_house


async def answered(house: MethodHouse, found: dict[str, Any], value: Any) -> dict[str, Any]:
    session = found["sessionId"]
    answer = {"stepId": found["step"]["id"], "value": value}
    result = await house.call("wizard.next", {"sessionId": session, "answer": answer})
    return {"sessionId": session, **result}


async def test_it_begins_with_two_notes_and_then_asks():
    async with method_house() as house:
        found = await house.call("wizard.start", {"mode": "local"})
        assert set(found) == {"sessionId", "done", "step", "status"}
        assert set(found["step"]) == {"id", "type", "title", "message", "executor"}
        found = await answered(house, found, False)
        assert (found["step"]["type"], found["step"]["title"]) == ("note", "Security")
        found = await answered(house, found, None)
        assert found["step"]["type"] == "select"
        assert {"value": "ollama", "label": "Ollama", "hint": "runs on this machine"} in (
            found["step"]["options"]
        )
        status = await house.call("wizard.status", {"sessionId": found["sessionId"]})
        assert status == {"status": "running"}


async def test_the_whole_way_writes_the_configuration_and_the_key_goes_to_the_vault():
    async with method_house() as house:
        found = await house.call("wizard.start")
        for value in (None, None, "anthropic", "sk-hunter2", "claude-opus-4-5", "none", "hand"):
            found = await answered(house, found, value)
            if found["step"]["title"] == "Key":
                assert found["step"]["sensitive"] is True
        found = await answered(house, found, None)
        assert found["step"]["type"] == "confirm"
        found = await answered(house, found, True)
        assert found["step"]["title"] == "Done"
        found = await answered(house, found, None)
        assert (found["done"], found["status"]) == (True, "done")
        assert "step" not in found
        config = house.services.config
        assert config.settings.agents.defaults.model.primary == "anthropic/claude-opus-4-5"
        assert "hunter2" not in config.paths.config_path.read_text()


async def test_a_client_that_comes_back_gets_the_open_step():
    async with method_house() as house:
        found = await house.call("wizard.start")
        again = await house.call("wizard.next", {"sessionId": found["sessionId"]})
    assert again["step"] == found["step"]


async def test_one_at_a_time():
    async with method_house() as house:
        await house.call("wizard.start")
        with pytest.raises(Failed, match=r"^wizard already running$"):
            await house.call("wizard.start")


async def test_cancelling_ends_it():
    async with method_house() as house:
        found = await house.call("wizard.start")
        ended = await house.call("wizard.cancel", {"sessionId": found["sessionId"]})
        assert ended == {"status": "cancelled", "error": "cancelled"}
        for method in ("wizard.status", "wizard.cancel", "wizard.next"):
            with pytest.raises(Refused, match=r"^wizard not found$"):
                await house.call(method, {"sessionId": found["sessionId"]})


async def test_a_step_that_is_not_open_is_refused():
    async with method_house() as house:
        found = await house.call("wizard.start")
        params = {"sessionId": found["sessionId"], "answer": {"stepId": "nope", "value": 1}}
        with pytest.raises(Refused, match=r"^Error: wizard: no pending step$"):
            await house.call("wizard.next", params)


async def test_another_machines_gateway_is_not_set_up_here():
    async with method_house() as house:
        with pytest.raises(Refused, match=r"gateway\.remote\.url"):
            await house.call("wizard.start", {"mode": "remote"})
