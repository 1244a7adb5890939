"""Help is printed from a file that the code made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import carapace.cli.help as module
from carapace.cli.help import document, packaged
from carapace.cli.verbs import VERBS
from support.command import Command

PACKAGED = Path(module.__file__).with_name("help.json")


def test_the_packaged_texts_are_current():
    assert PACKAGED.read_text("utf-8") == document(), "run `just generate`"


def test_every_verb_and_sub_command_has_its_text():
    texts = json.loads(document())
    assert {verb.name for verb in VERBS} <= set(texts)
    assert "config explain" in texts
    for name, text in texts.items():
        assert text.startswith(f"Usage: cara {name} "), name
        assert max(map(len, text.splitlines())) <= 80, name


@pytest.mark.parametrize(
    "words",
    [[], ["--help"], ["status"], ["--help", "status"], ["nonsense", "--help"], ["status", "-n"]],
)
def test_only_a_known_page_that_is_asked_for_is_given(words: list[str]):
    assert packaged(words) is None


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_command_prints_the_packaged_page(cara: Command, flag: str):
    done = cara("config", "get", flag)
    assert done.code == 0
    assert done.out == json.loads(PACKAGED.read_text("utf-8"))["config get"]


def test_help_among_arguments_is_answered_too(cara: Command):
    assert "Usage: cara config get" in cara("config", "get", "gateway.port", "--help").out


@pytest.mark.slow
def test_a_page_imports_no_room_and_no_library():
    script = (
        "import sys; from carapace.cli.main import run; run(['chat', '--help']);"
        "heavy = {'cyclopts', 'rich', 'aiohttp', 'msgspec', 'structlog', 'asyncio'};"
        "raise SystemExit(bool(heavy & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
