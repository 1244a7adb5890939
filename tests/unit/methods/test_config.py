"""The configuration as clients see it, and as they change it."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.config.redact import MARKER
from carapace.errors import Refused
from support.agent_house import MAIN
from support.methods import MethodHouse, method_house

FILE = "{\n  // mine\n  gateway: { auth: { token: 'hunter2' }, port: 18789 },\n}\n"


async def begin(house: MethodHouse, text: str = FILE) -> str:
    """Put a file there; its hash."""
    config = house.services.config
    config.paths.config_path.write_text(text)
    config.reload()
    return str((await house.call("config.get"))["hash"])


def text_of(house: MethodHouse) -> str:
    return house.services.config.paths.config_path.read_text()


async def refusal(house: MethodHouse, method: str, **params: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await house.call(method, params)
    return caught.value


async def told(house: MethodHouse) -> list[str]:
    await house.services.restart_notes.tell(house.services.config.snapshot().hash)
    return [one.text for one in await house.services.sessions.history(MAIN)]


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


async def test_the_first_file_needs_no_hash():
    async with method_house() as house:
        answer = await house.call("config.set", {"raw": "{logging: {level: 'warn'}}"})
        assert house.services.config.settings.logging.level == "warn"
        assert text_of(house) == "{logging: {level: 'warn'}}"
    assert answer == {
        "ok": True,
        "path": answer["path"],
        "config": {"logging": {"level": "warn"}},
    }


@pytest.mark.parametrize("method", ["config.set", "config.apply", "config.patch"])
async def test_a_write_shows_which_file_it_changes(method):
    async with method_house() as house:
        await begin(house)
        missing = await refusal(house, method, raw="{}")
        stale = await refusal(house, method, raw="{}", baseHash="0" * 64)
        assert text_of(house) == FILE
    assert missing.message == "config base hash required; re-run config.get and retry"
    assert stale.message == "config changed since last load; re-run config.get and retry"


@pytest.mark.parametrize("method", ["config.set", "config.apply", "config.patch"])
async def test_nonsense_is_refused_and_nothing_is_written(method):
    async with method_house() as house:
        shown = await begin(house)
        broken = await refusal(house, method, raw="{not json", baseHash=shown)
        wrong = await refusal(house, method, raw="{gateway: {port: 'x'}}", baseHash=shown)
        noted = (
            await refusal(
                house, method, raw="{gateway: {port: 'x'}}", baseHash=shown, sessionKey="main"
            )
            if method != "config.set"
            else wrong
        )
        assert text_of(house) == FILE
        assert await told(house) == []
    assert broken.message == "SyntaxError: JSON5: invalid character 'j' at 1:6"
    assert wrong.message == noted.message == "invalid config"
    assert wrong.details is not None
    assert wrong.details["issues"][0]["path"] == "gateway.port"


async def test_secrets_are_never_shown_and_a_marker_keeps_them():
    async with method_house() as house:
        shown = await begin(house)
        raw = f"{{gateway: {{auth: {{token: '{MARKER}'}}, port: 18790}}}}"
        answer = await house.call("config.apply", {"raw": raw, "baseHash": shown})
        assert "hunter2" in text_of(house)
        assert "hunter2" not in str(answer)


@pytest.mark.parametrize(
    ("method", "raw", "issues"),
    [
        ("config.patch", "{gateway: {qqzz: 1}}", [("gateway", 'Unrecognized key: "qqzz"')]),
        ("config.set", "{qqzz: 1}", [("", 'Unrecognized key: "qqzz"')]),
        (
            "config.apply",
            "{gateway: {prot: 1}, agents: {list: [{id: 'a', qqzz: {}}]}}",
            [
                ("gateway", 'Unrecognized key: "prot". Did you mean gateway.port?'),
                ("agents.list[0]", 'Unrecognized key: "qqzz"'),
            ],
        ),
    ],
)
async def test_no_client_adds_a_name_that_nobody_knows(method, raw, issues):
    async with method_house() as house:
        shown = await begin(house)
        refused = await refusal(house, method, raw=raw, baseHash=shown)
        assert text_of(house) == FILE
    assert refused.message == "invalid config"
    listed = (refused.details or {})["issues"]
    assert [(one["path"], one["message"]) for one in listed] == issues


async def test_unknown_names_that_stand_in_the_file_stay_and_warn():
    async with method_house() as house:
        text = FILE.replace("gateway: {", "gateway: { qqzz: 1,")
        shown = await begin(house, text)
        await house.call("config.patch", {"raw": "{logging: {level: 'warn'}}", "baseHash": shown})
        shown = (await house.call("config.get"))["hash"]
        await house.call("config.set", {"raw": "{gateway: {qqzz: 2}}", "baseHash": shown})
        found = await house.call("config.get")
        assert "qqzz: 2" in text_of(house)
        assert [one["path"] for one in found["warnings"]] == ["gateway.qqzz"]
        await house.call("config.set", {"raw": "{}", "baseHash": found["hash"]})
        shown = (await house.call("config.get"))["hash"]
        await refusal(house, "config.set", raw="{gateway: {qqzz: 2}}", baseHash=shown)


async def test_names_that_the_node_gateway_knows_may_be_added():
    async with method_house() as house:
        shown = await begin(house)
        raw = "{talk: {voiceId: 'x'}, meta: {lastTouchedAt: 'now'}}"
        await house.call("config.patch", {"raw": raw, "baseHash": shown})
        found = await house.call("config.get")
    assert [one["path"] for one in found["warnings"]] == ["talk"]


async def test_a_patch_of_live_settings_needs_no_restart():
    async with method_house() as house:
        shown = await begin(house)
        answer = await house.call(
            "config.patch", {"raw": "{logging: {level: 'warn'}}", "baseHash": shown}
        )
        assert house.services.config.settings.logging.level == "warn"
        assert "// mine" in text_of(house)
        assert not house.tasks
    assert "restart" not in answer
    assert "sentinel" not in answer


@pytest.mark.parametrize(
    "asked", [{"note": "for a test"}, {"restartDelayMs": 500}, {"sessionKey": "main"}]
)
async def test_whoever_counts_on_a_restart_gets_one(asked):
    async with method_house() as house:
        shown = await begin(house)
        answer = await house.call("config.patch", {"raw": "{}", "baseHash": shown, **asked})
    assert answer["restart"]["reason"] == "config.patch"
    assert answer["restart"]["delayMs"] == asked.get("restartDelayMs", 2_000)


async def test_what_needs_a_restart_gets_one_and_the_session_is_told_after_it():
    async with method_house() as house:
        shown = await begin(house)
        answer = await house.call(
            "config.patch",
            {
                "raw": "{gateway: {port: 18791}}",
                "baseHash": shown,
                "sessionKey": "main",
                "note": " a new port ",
            },
        )
        assert await told(house) == [
            (
                "The gateway was restarted by config.patch. Changed settings: gateway.port. "
                "Note: a new port"
            )
        ]
        payload = answer["sentinel"]["payload"]
        root = str(house.services.config.paths.config_path)
    assert answer["sentinel"]["path"].endswith("carapace.db")
    assert payload == {
        "kind": "config-apply",
        "status": "ok",
        "ts": house.clock.now_ms(),
        "sessionKey": "main",
        "message": "a new port",
        "doctorHint": "Run: cara doctor",
        "stats": {"mode": "config.patch", "root": root},
    }


async def test_many_changes_are_told_in_short():
    models = ", ".join(f"m{n}: {{baseUrl: 'http://127.0.0.1:1/v1'}}" for n in range(25))
    async with method_house() as house:
        shown = await begin(house)
        raw = f"{{models: {{providers: {{{models}}}}}}}"
        await house.call("config.patch", {"raw": raw, "baseHash": shown, "sessionKey": "main"})
        [text] = await told(house)
    assert "models.providers.m0, " in text
    assert text.endswith(" and 5 more.")


async def test_a_session_key_that_is_none_is_refused_before_anything_is_written():
    async with method_house() as house:
        shown = await begin(house)
        await refusal(house, "config.patch", raw="{a: 1}", baseHash=shown, sessionKey="agent:??:x")
        assert text_of(house) == FILE


async def test_a_write_that_loses_a_race_tells_no_session():
    """The file changes between the look at it and the write: refused, and the note is dropped."""
    async with method_house() as house:
        shown = await begin(house)
        config = house.services.config
        commit = config.commit

        async def late(draft: Any) -> Any:
            config.paths.config_path.write_text("{}")
            return await commit(draft)

        config.commit = late
        lost = await refusal(
            house, "config.patch", raw="{gateway: {port: 1}}", baseHash=shown, sessionKey="main"
        )
        assert await told(house) == []
    assert lost.message.startswith("config changed since last load")
