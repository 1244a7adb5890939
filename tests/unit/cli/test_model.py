"""`cara model` lists, pulls and uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.agent.weights.library import Library
from carapace.agent.weights.manifest import MANIFEST
from support.command import Command


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    return path


@pytest.mark.parametrize("words", [("model",), ("model", "list")])
def test_what_can_be_had_is_listed(cara: Command, words):
    done = cara(*words)
    assert done.code == 0, done.err
    assert all(name in done.out for name in MANIFEST)


def test_a_file_is_pulled_listed_and_used(cara: Command, mine: Path):
    done = cara("model", "pull", str(mine))
    assert done.code == 0, done.err
    assert "mine is here" in done.out
    assert "Answers come from the embedded model mine" in cara("model", "use", "mine").out
    assert cara("config", "get", "models.embedded.model").out == "mine\n"
    assert cara("config", "get", "agents.defaults.model.primary").out == "embedded/mine\n"
    rows = {row["name"]: row for row in cara("model", "list", "--json").json["models"]}
    assert rows["mine"]["installed"]
    assert rows["mine"]["used"]
    assert rows["mine"]["sizeBytes"] == 104


def test_programs_get_json(cara: Command, mine: Path):
    assert cara("model", "pull", str(mine), "--json").json["name"] == "mine"
    assert cara("model", "use", "mine", "--json").json["model"] == "mine"


def test_without_a_name_the_one_that_fits_is_pulled(
    cara: Command, monkeypatch: pytest.MonkeyPatch, mine: Path
):
    asked: list[str] = []
    real = cara("model", "pull", str(mine))
    assert real.code == 0

    def pull(_paths: object, name: str, _folder: object):
        from carapace.cli.options import Place  # noqa: PLC0415 - beside its use
        from carapace.cli.pulling import library_of  # noqa: PLC0415
        from carapace.cli.target import paths_of  # noqa: PLC0415

        asked.append(name)
        return library_of(paths_of(Place())).find("mine")

    monkeypatch.setattr("carapace.cli.model.pull_model", pull)
    assert cara("model", "pull").code == 0
    assert asked[0] in MANIFEST


def test_a_file_can_be_used_where_it_lies(cara: Command, mine: Path):
    assert cara("model", "use", str(mine), "--json").json["model"] == str(mine)


def test_a_model_that_is_not_here_is_not_used(cara: Command):
    done = cara("model", "use", "starter")
    assert done.code == 1
    assert "cara model pull starter" in done.err
    assert "cara model list" in cara("model", "use", "nobody").err


def test_a_model_is_kept_in_a_folder_of_its_own_when_asked(
    cara: Command, mine: Path, tmp_path: Path
):
    folder = tmp_path / "models"
    done = cara("model", "pull", str(mine), "--models-dir", str(folder))
    assert done.code == 0, done.err
    assert [model.name for model in Library(folder).installed()] == ["mine"]
    rows = {row["name"] for row in cara("model", "list", "--json").json["models"]}
    assert "mine" not in rows


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_the_speech_model_has_a_name_of_its_own(
    cara: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: tuple[str, ...]
):
    asked: list[str | None] = []

    def pull(_paths: object, folder: str | None) -> Path:
        asked.append(folder)
        return tmp_path / "whisper-base"

    monkeypatch.setattr("carapace.cli.model.pull_speech", pull)
    done = cara("model", "pull", "whisper-base", *flags)
    assert done.code == 0, done.err
    assert asked == [None]
    if flags:
        assert done.json == {"name": "whisper-base", "path": str(tmp_path / "whisper-base")}
    else:
        assert "pip install faster-whisper" in done.out
