"""Advisories about the configuration: what reads give away, and what no write may say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.channels.commands import parse_command
from carapace.config.catalogue import ANY, entries
from carapace.errors import Refused
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


# C29: programs are named on the machine they run on


PROGRAMS: list[dict[str, Any]] = [
    {"messages": {"tts": {"piper": {"command": "/srv/evil"}}}},
    {"tools": {"exec": {"pathPrepend": ["/srv/evil"]}}},
    {"mcp": {"servers": {"files": {"command": "/srv/evil"}}}},
]


@pytest.mark.parametrize("patch", PROGRAMS, ids=["piper", "folders", "mcp"])
@pytest.mark.parametrize("method", ["config.set", "config.patch", "config.apply"])
async def test_adv_c29_no_client_says_which_program_runs(method: str, patch: dict[str, Any]):
    """Not even an administrator: the Node gateway ran what `cliPath` said."""
    async with method_house() as house:
        path = house.services.config.paths.config_path
        path.write_text("{}")
        house.services.config.reload()
        params = {
            "raw": msgspec.json.encode(patch).decode(),
            "baseHash": (await house.call("config.get"))["hash"],
        }
        with pytest.raises(Refused, match="says which program runs"):
            await house.call(method, params)
        assert path.read_text() == "{}"


async def test_adv_c29_no_client_changes_how_a_program_is_started():
    """Not its arguments, variables or folder, which can make another one of it."""
    server: dict[str, Any] = {"command": "npx", "args": ["files"], "env": {"A": "b"}, "cwd": "/srv"}
    async with method_house() as house:
        config = house.services.config
        text = msgspec.json.encode({"mcp": {"servers": {"files": server}}}).decode()
        config.paths.config_path.write_text(text)
        config.reload()
        for name, value in (("args", ["evil"]), ("env", {"A": "evil"}), ("cwd", "/srv/evil")):
            shown = await house.call("config.get")
            patch = {"mcp": {"servers": {"files": {name: value}}}}
            params = {"raw": msgspec.json.encode(patch).decode(), "baseHash": shown["hash"]}
            with pytest.raises(Refused, match=f"files.{name} says which program runs"):
                await house.call("config.patch", params)
        off = msgspec.json.encode({"mcp": {"servers": {"files": {"enabled": False}}}}).decode()
        params = {"raw": off, "baseHash": (await house.call("config.get"))["hash"]}
        assert (await house.call("config.patch", params))["ok"] is True


async def test_adv_c29_what_the_machines_owner_wrote_may_be_sent_back():
    async with method_house() as house:
        config = house.services.config
        config.paths.config_path.write_text(msgspec.json.encode(PROGRAMS[0]).decode())
        config.reload()
        shown = await house.call("config.get")
        params = {"raw": shown["raw"], "baseHash": shown["hash"]}
        assert (await house.call("config.set", params))["ok"] is True
        assert config.settings.messages.tts.piper.command == "/srv/evil"


def test_adv_c29_every_setting_that_names_a_program_is_marked():
    """A new one whose name says so must be marked, or stand here with the reason."""
    words = ("command", "clipath", "executable", "executablepath", "binary", "pathprepend", "shell")
    named = {entry.key: entry.field.program for entry in entries()}
    unmarked = {
        key for key, marked in named.items() if str(key[-1]).lower() in words and not marked
    }
    assert unmarked == set()


# C31: names that mean something to a language


RESERVED = ["__proto__", "constructor", "prototype", "__class__", "__init__", "__dict__"]


@pytest.mark.parametrize("name", RESERVED)
async def test_adv_c31_no_reserved_name_gets_into_the_configuration(name: str):
    """By any write, at any depth, however it is spelt in JSON."""
    spelt = "".join(f"\\u{ord(char):04x}" for char in name)
    async with method_house() as house:
        path = house.services.config.paths.config_path
        path.write_text("{}")
        house.services.config.reload()
        shown = await house.call("config.get")
        for raw in (
            f'{{"{name}": {{"gateway": {{"port": 1}}}}}}',
            f'{{"{spelt}": {{"polluted": true}}}}',
            f'{{"plugins": {{"entries": {{"{name}": {{"enabled": true}}}}}}}}',
            f'{{"agents": {{"list": [{{"id": "a", "identity": {{"{name}": 1}}}}]}}}}',
        ):
            for method in ("config.set", "config.patch", "config.apply"):
                with pytest.raises(Refused, match="is reserved"):
                    await house.call(method, {"raw": raw, "baseHash": shown["hash"]})
        assert path.read_text() == "{}"


@pytest.mark.parametrize("name", ["__proto__", "__class__", "../x", "a/b", "..", "a\x00b", ""])
async def test_adv_c31_no_agent_or_session_has_a_name_that_is_a_path(name: str):
    """Where a name becomes a folder, only plain ones are taken."""
    async with method_house() as house:
        config = house.services.config
        raw = msgspec.json.encode({"agents": {"list": [{"id": name}]}}).decode()
        with pytest.raises(Refused):
            await house.call("config.patch", {"raw": raw})
        assert not config.paths.config_path.exists()
        patched = {"key": "main", name or "__proto__": {"label": "x"}}
        with pytest.raises(Refused, match="unexpected property"):
            await house.call("sessions.patch", patched)


@pytest.mark.parametrize("word", ["/debug", "/config", "/allowlist", "/set", "/unset", "/elevated"])
@pytest.mark.parametrize("rest", ["", " set __proto__.x=1", " add telegram:1"])
def test_adv_c30_c31_commands_that_change_settings_of_the_gateway_do_not_exist(
    word: str, rest: str
):
    """What is typed so is a sentence for the model, whoever types it."""
    assert parse_command(word + rest) is None
