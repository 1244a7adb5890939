"""`cara plugin` for authors, from an empty folder to a package."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest

from carapace.cli import plugin_author
from carapace.cli.options import DEFAULT_REMOTE
from carapace.cli.plugin_author import add_author_commands
from carapace.cli.shell import new_app
from carapace.cli.trouble import Trouble
from carapace.errors import Refused

pytestmark = pytest.mark.slow


def cara(*words: object) -> object:
    app = new_app("plugin", help="Plugins.")
    add_author_commands(app)
    return app([str(word) for word in words])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    made = tmp_path / "hello"
    cara("new", made, "--lang", "c", "--role", "hooks")
    assert "app.c, cases.toml, plugin.toml" in capsys.readouterr().out
    return made


def test_a_plugin_is_built_tested_signed_and_packed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    key = tmp_path / "my.key"
    cara("build", folder)
    assert cara("test", folder) == 0
    assert "3 checked, all ok." in capsys.readouterr().out
    cara("keygen", key)
    publisher = capsys.readouterr().out.splitlines()[0]
    cara("sign", folder, "--key", key)
    cara("pack", folder, "--into", tmp_path)
    assert f"Signed as {publisher}" in capsys.readouterr().out
    assert (tmp_path / "hello-0.1.0.carapace-plugin").is_file()


def test_programs_get_json(folder: Path, capsys: pytest.CaptureFixture[str]):
    cara("build", folder, "--json")
    built = json.loads(capsys.readouterr().out)
    assert built["id"] == "hello"
    assert built["sizeBytes"] == (folder / "build" / "plugin.wasm").stat().st_size
    (folder / "cases.toml").write_text(
        '[[case]]\nname = "n"\ncall = "hooks.points"\ngives = ["x"]\n'
    )
    assert cara("test", folder, "--json") == 1
    told = {each["name"]: each["trouble"] for each in json.loads(capsys.readouterr().out)}
    assert told["manifest"] is None
    assert "message_sending" in told["n"]


def test_stale_components_are_built_for_a_test_and_never_signed(folder: Path, tmp_path: Path):
    cara("keygen", tmp_path / "my.key")
    with pytest.raises(Trouble, match="Nothing was signed"):
        cara("sign", folder, "--key", tmp_path / "my.key")
    with pytest.raises(Trouble, match="Nothing was packed"):
        cara("pack", folder)
    assert cara("test", folder) == 0
    cara("sign", folder, "--key", tmp_path / "my.key")


async def test_a_watch_tells_what_is_wrong_and_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    source, manifest = folder / "app.c", folder / "plugin.toml"
    right = source.read_text()
    steps = [
        lambda: source.write_text("int x = nothing;\n"),
        lambda: manifest.write_text(manifest.read_text().replace("0.1.0", "zero")),
        lambda: manifest.write_text(manifest.read_text().replace("zero", "0.1.0")),
        lambda: source.write_text(right),
    ]

    async def hints() -> AsyncIterator[object]:
        for step in steps:
            step()
            yield step

    await plugin_author._run(folder, hints())
    said = capsys.readouterr().out
    assert said.count("3 checked, all ok.") == 2
    assert "undeclared identifier 'nothing'" in said
    assert "version" in said


class Gateway:
    """What the watch asks of a gateway; `answer` is its answer, or what goes wrong."""

    def __init__(self, answer: dict[str, Any] | Trouble) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, _remote: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((method, params))
        if isinstance(self.answer, Trouble):
            raise self.answer
        return {"plugin": self.answer}


async def no_hints() -> AsyncIterator[object]:
    for hint in ():
        yield hint


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"id": "hello", "version": "0.1.0", "state": "running"},
            "0.1.0 is running in the gateway",
        ),
        (Trouble("Not taken.", why="it is unsigned"), "Not taken. it is unsigned"),
    ],
)
async def test_what_passes_goes_into_the_gateway(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: Any,
    told: str,
):
    gateway = Gateway(answer)
    monkeypatch.setattr(plugin_author, "connect", gateway)
    await plugin_author._run(folder, no_hints(), DEFAULT_REMOTE)
    assert told in capsys.readouterr().out
    [(method, params)] = gateway.asked
    assert (method, params["accept"]) == ("plugins.install", True)
    assert Path(params["source"]).is_file()


async def test_what_fails_stays_out_of_the_gateway(folder: Path, monkeypatch: pytest.MonkeyPatch):
    gateway = Gateway({})
    monkeypatch.setattr(plugin_author, "connect", gateway)
    (folder / "cases.toml").write_text(
        '[[case]]\nname = "n"\ncall = "hooks.points"\ngives = ["x"]\n'
    )
    await plugin_author._run(folder, no_hints(), DEFAULT_REMOTE)
    assert gateway.asked == []


def test_run_ends_quietly_with_ctrl_c(folder: Path, monkeypatch: pytest.MonkeyPatch):
    async def interrupted(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plugin_author, "_run", interrupted)
    cara("run", folder)


def test_a_folder_that_is_no_plugin_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match="cara plugin new NAME"):
        cara("build", tmp_path)
