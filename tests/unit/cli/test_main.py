"""The entry point answers at once, and turns failures into words and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from carapace import __version__
from carapace.cli.main import build
from carapace.cli.verbs import VERBS
from support.command import Command
from support.mini_gateway import MiniGateway


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_the_overview_names_every_verb(cara: Command, words):
    done = cara(*words)
    assert done.code == 0
    assert all(f"  {verb.name} " in done.out for verb in VERBS)


@pytest.mark.parametrize("words", [("--version",), ("-V",)])
def test_the_version_is_printed(cara: Command, words):
    assert cara(*words).out.strip() == __version__


def test_the_words_of_the_process_count_by_default(
    cara: Command, monkeypatch: pytest.MonkeyPatch, capsys
):
    from carapace.cli.main import run  # noqa: PLC0415 - beside its use

    monkeypatch.setattr(sys, "argv", ["cara", "--version"])
    assert run() == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sttaus",), "Did you mean: cara status"),
        (("xyzzy",), "See: cara --help"),
        (("--bogus",), "See: cara --help"),
        (("config", "get"), "See: cara config --help"),
        (("status", "--nonsense"), "See: cara status --help"),
        (("logs", "-n", "many"), "See: cara logs --help"),
    ],
)
def test_a_usage_error_exits_with_2_and_says_where_help_is(cara: Command, words, said: str):
    done = cara(*words)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_errors_are_json_for_programs(cara: Command):
    done = cara("status", "--json", "--url", "ws://127.0.0.1:9")
    assert done.code == 1
    assert json.loads(done.err)["error"]["what"] == "No gateway answers at ws://127.0.0.1:9."
    assert json.loads(cara("xyzzy", "--json").err)["error"]["next"]


def test_a_broken_configuration_exits_with_78(cara: Command):
    cara.write_config("{gateway: [}")
    done = cara("status")
    assert done.code == 78
    assert "carapace.json:1:" in done.err
    assert "cara doctor" in done.err


def test_a_refusal_of_a_room_is_told(cara: Command):
    done = cara("config", "unset", "gateway.port")
    assert done.code == 1
    assert done.err.startswith("error: ")


def test_an_interrupt_exits_with_130(cara: Command, gateway: MiniGateway):
    def interrupt(_params: dict) -> dict:
        import _thread  # noqa: PLC0415 - the interpreter's own Ctrl-C

        _thread.interrupt_main()
        return {}

    gateway.answers["health"] = interrupt
    assert cara("status").code == 130


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -c 'from carapace.cli.main import run; raise SystemExit(run())'"
    script = f"{command} completion bash | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", script], check=False, capture_output=True)
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.slow
def test_the_overview_imports_no_room_and_no_library():
    script = (
        "import sys; from carapace.cli.main import run; run(['--help']);"
        "heavy = {'cyclopts', 'rich', 'aiohttp', 'msgspec', 'structlog', 'asyncio'};"
        "raise SystemExit(bool(heavy & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.slow
def test_the_installed_command_answers_help_quickly():
    import time  # noqa: PLC0415 - beside its use

    took: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", "from carapace.cli.main import run; run(['--help'])"],
            check=True,
            capture_output=True,
        )
        took.append(time.monotonic() - began)
    assert min(took) < 0.15


def test_each_verb_explains_itself(cara: Command):
    for verb in VERBS:
        done = cara(verb.name, "--help")
        assert done.code == 0
        assert verb.summary in " ".join(done.out.split())


def test_the_app_knows_the_verbs_of_the_table():
    assert {verb.name for verb in VERBS} <= set(build())
