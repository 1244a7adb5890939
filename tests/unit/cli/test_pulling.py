"""A model is fetched with its progress shown."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from carapace.agent.weights.library import InstalledModel
from carapace.agent.weights.manifest import Weights
from carapace.agent.weights.progress import Progress, Report
from carapace.agent.weights.pull import Puller
from carapace.cli import pulling
from carapace.cli.options import Place
from carapace.cli.pulling import CLI_AUDIT, library_of, pull_model, pull_speech
from carapace.cli.target import paths_of
from carapace.config.settings.net import NetSettings
from carapace.errors import Refused
from carapace.telemetry.audit import Audit
from support.command import Command


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    return path


def test_a_file_is_taken_in_and_lines_say_so(cara: Command, model: Path, capsys):
    paths = paths_of(Place())
    got = pull_model(paths, str(model))
    assert got.name == "mine"
    assert library_of(paths).find("mine") is not None
    assert "ready" in capsys.readouterr().err
    assert paths.state_dir.stat().st_mode & 0o777 == 0o700
    assert CLI_AUDIT.startswith("audit/")


def test_a_terminal_gets_a_bar(cara: Command, model: Path, monkeypatch: pytest.MonkeyPatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    pull_model(paths_of(Place()), str(model))
    assert "model" in stream.getvalue()
    assert "ready" in stream.getvalue()


def test_a_bar_shows_notes_without_escapes(monkeypatch: pytest.MonkeyPatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with pulling._progress("x") as report:
        report(Progress("downloading", 1, 10, 0.0, "hub", note="gave [up] the \x1b]0;t\x07hub"))
    assert "gave [up] the hub" in stream.getvalue()


def test_lines_come_for_each_tenth_and_for_notes(capsys):
    lines = pulling._Lines("x")
    for done in range(0, 1000, 7):
        lines.take(Progress("downloading", done * 1000, 1_000_000, 0.0, "hub"))
    lines.take(Progress("connecting", 0, None, 0.0, "hub", note="the hub is silent"))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 12
    assert said[0] == "model x: downloading, 0.0 MB of 1.0 MB"
    assert said[-2:] == ["the hub is silent", "model x: connecting, 0.0 MB"]


def test_nonsense_is_refused(cara: Command):
    with pytest.raises(Refused, match="neither a model"):
        pull_model(paths_of(Place()), "no-such-model")


def test_the_speech_model_is_fetched_into_a_folder_of_its_own(
    cara: Command, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    async def pull_weights(puller: Puller, weights: Weights, report: Report) -> InstalledModel:
        asked.append(weights.filename)
        report(Progress("ready", 1, 1, 0.0, "hub"))
        path = puller._library.folder / weights.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        return InstalledModel(weights.name, weights.sha256, path, 1, None)

    monkeypatch.setattr(Puller, "pull_weights", pull_weights)
    folder = pull_speech(paths_of(Place()))
    assert asked == ["model.bin", "config.json", "tokenizer.json", "vocabulary.txt"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(asked)
    assert folder == paths_of(Place()).state_dir / "models" / "speech" / "whisper-base"


def test_the_download_goes_the_way_that_the_settings_say(
    cara: Command, model: Path, monkeypatch: pytest.MonkeyPatch
):
    made: list[object] = []
    real = pulling.Egress

    def remember(audit: Audit, *, settings: NetSettings | None = None) -> object:
        made.append(settings and settings.proxy.url)
        return real(audit, settings=settings)

    monkeypatch.setattr(pulling, "Egress", remember)
    paths = paths_of(Place())
    paths.config_path.parent.mkdir(parents=True, exist_ok=True)
    paths.config_path.write_text('{ net: { proxy: { url: "http://proxy.example:3128" } } }')
    pull_model(paths, str(model))
    paths.config_path.write_text("{ broken")
    pull_model(paths, str(model))
    assert made == ["http://proxy.example:3128", None]
