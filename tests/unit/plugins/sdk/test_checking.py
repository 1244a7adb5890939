"""A plugin must be what its manifest says, answer sensibly, and keep its own cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carapace.errors import Refused
from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.sdk.build import build
from carapace.plugins.sdk.cases import Case, Cases, load_cases
from carapace.plugins.sdk.checking import Result, check, completed
from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.local_host import local_host
from carapace.plugins.sdk.new import ROLES, create
from carapace.plugins.sdk.project import Project, open_project
from carapace.plugins.sdk.wit.layout import shape_of
from carapace.plugins.sdk.wit.syntax import Type
from support.scripted_host import ScriptedHost

GREET = {"name": "greet", "description": "Greets.", "schema": '{"type": "object"}', "risk": "read"}


def project_of(tmp_path: Path, role: str) -> Project:
    project = open_project(create(tmp_path / "hello", language="js", role=role))
    project.build_dir.mkdir()
    project.wasm.write_bytes(b"scripted")
    return project


async def results(project: Project, host: ScriptedHost, *cases: Case) -> dict[str, str | None]:
    host.scripts.setdefault("manifest.describe", lambda: {"id": "hello", "version": "0.1.0"})
    found = [each async for each in check(project, host, Cases(case=list(cases)))]
    return {each.name: each.trouble for each in found}


async def test_a_good_tool_has_no_trouble(tmp_path: Path):
    host = ScriptedHost({"tool.definitions": lambda: [GREET]})
    assert await results(project_of(tmp_path, "tool"), host) == {"manifest": None, "tool": None}


async def test_another_name_than_the_manifests_is_trouble(tmp_path: Path):
    host = ScriptedHost(
        {
            "manifest.describe": lambda: {"id": "other", "version": "0.1.0"},
            "tool.definitions": lambda: [GREET],
        }
    )
    found = await results(project_of(tmp_path, "tool"), host)
    assert "plugin.toml says" in str(found["manifest"])


@pytest.mark.parametrize(
    ("definitions", "trouble"),
    [
        ([], "defines no tool"),
        ([GREET, GREET], "defines a tool twice"),
        ([{**GREET, "description": ""}], "has no description"),
        ([{**GREET, "schema": "[]"}], "not the JSON Schema of an object"),
        ([{**GREET, "schema": "{"}], "not the JSON Schema of an object"),
    ],
)
async def test_senseless_tools_are_trouble(
    tmp_path: Path, definitions: list[dict[str, str]], trouble: str
):
    host = ScriptedHost({"tool.definitions": lambda: definitions})
    found = await results(project_of(tmp_path, "tool"), host)
    assert trouble in str(found["tool"])


async def test_a_channel_has_the_plugins_name_and_room_for_text(tmp_path: Path):
    project = project_of(tmp_path, "channel")
    for about, trouble in (
        ({"id": "hello", "max_text": 1}, None),
        ({"id": "other", "max_text": 1}, "use one name"),
        ({"id": "hello", "max_text": 0}, "must be more than 0"),
    ):
        host = ScriptedHost({"channel.describe": lambda about=about: about})
        said = (await results(project, host))["channel"]
        assert said == trouble if trouble is None else trouble in str(said)


async def test_hooks_want_only_what_the_manifest_names(tmp_path: Path):
    project = project_of(tmp_path, "hooks")
    host = ScriptedHost({"hooks.points": lambda: ["message_sending", "session_start"]})
    assert "session_start" in str((await results(project, host))["hooks"])


async def test_setup_asks_for_each_key_once(tmp_path: Path):
    project = project_of(tmp_path, "tool")
    path = project.folder / "plugin.toml"
    path.write_text(path.read_text().replace('["tool"]', '["setup"]'))
    host = ScriptedHost({"setup.questions": lambda _account: [{"key": "a"}, {"key": "a"}]})
    found = await results(open_project(project.folder), host)
    assert found["setup"] == "asks for a key twice"


async def test_an_error_or_a_trap_is_told(tmp_path: Path):
    def broken(*_given: Any) -> None:
        raise GuestTrap("deadline", "it took too long")

    def refuses(*_given: Any) -> None:
        raise GuestError("busy", "Come back later.")

    host = ScriptedHost({"tool.definitions": broken, "tool.invoke": refuses})
    case = Case("n", "tool.invoke", ["a", "{}"])
    found = await results(project_of(tmp_path, "tool"), host, case)
    assert found == {
        "manifest": None,
        "tool": "was stopped (deadline): it took too long",
        "n": "failed with busy: Come back later.",
    }
    host.script("tool.invoke", broken)
    assert (await results(project_of(tmp_path / "b", "tool"), host, case))["n"] is not None


async def test_cases_are_asked_as_they_are_written(tmp_path: Path):
    host = ScriptedHost(
        {"tool.definitions": lambda: [GREET], "tool.invoke": lambda name, _text: name}
    )
    found = await results(
        project_of(tmp_path, "tool"),
        host,
        Case("right", "tool.invoke", ["a", "{}"], gives="a"),
        Case("wrong", "tool.invoke", ["a", "{}"], gives="b"),
        Case("too few", "tool.invoke", ["a"]),
        Case("no such", "tool.gone"),
        Case("no such either", "gone.gone"),
    )
    assert found["right"] is None
    assert found["wrong"] == 'gave "a", not "b"'
    assert "takes (name: string, parameters: string)" in str(found["too few"])
    assert "the contract has no tool.gone" in str(found["no such"])
    assert "the contract has no gone.gone" in str(found["no such either"])


def test_what_toml_cannot_say_is_null():
    outgoing = shape_of(contract(), "channel", Type("outgoing"))
    value = completed({"target": {"account": "a", "conversation_id": "c"}, "text": "t"}, outgoing)
    assert value["target"]["thread_id"] is None
    assert value["reply_to"] is None
    assert "media" not in value
    request = shape_of(contract(), "http", Type("request"))
    use = {"name": "n", "place": {"tag": "header", "value": "x"}}
    value = completed({"body": {"tag": "empty"}, "secrets": [use]}, request)
    assert value["body"] == {"tag": "empty", "value": None}
    assert value["secrets"][0]["template"] is None
    maybe = shape_of(contract(), "types", Type("option", (Type("error"),)))
    assert completed({"code": "c"}, maybe)["retry_after_ms"] is None
    assert completed(None, maybe) is None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("language", "role"),
    [
        *(("c", role) for role in ROLES),
        *(("js", role) for role in ROLES),
        ("rust", "tool"),
        # The one with the most kinds of values; a guest in Python takes a minute.
        ("python", "channel"),
    ],
)
async def test_what_new_makes_holds_in_a_real_worker(tmp_path: Path, language: str, role: str):
    project = open_project(create(tmp_path / "hello", language=language, role=role))
    try:
        build(project)
    except Refused as refused:
        if "which is not here" not in refused.message:
            raise
        pytest.skip(refused.message)
    async with local_host(tmp_path / "cache") as host:
        found = [each async for each in check(project, host, load_cases(project.folder))]
    assert found
    assert [each for each in found if each.trouble] == []
    assert Result("manifest", None) in found
