"""What watches a gateway is built first and follows the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from carapace.app.observing import Observing
from carapace.clock import SystemClock
from carapace.config.paths import PathFlags, resolve_paths
from carapace.config.settings.logging import LoggingSettings
from carapace.telemetry.log import get_logger

_log = get_logger("test.observing")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Observing]:
    paths = resolve_paths({}, PathFlags(state_dir=str(tmp_path / "state")))
    paths.make_state_dir()
    observing = Observing.build(paths, LoggingSettings(), SystemClock())
    yield observing
    observing.close()


def test_a_line_goes_to_ring_and_file_and_console(
    made: Observing, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    made.apply(LoggingSettings(console_style="json"), is_quiet=False)
    _log.info("a thing happened", key="value")
    (line,) = made.tail.tail().lines
    assert json.loads(line)["event"] == "a thing happened"
    made.close()
    assert "a thing happened" in (tmp_path / "state/logs/gateway.log").read_text()
    assert "a thing happened" in capfd.readouterr().err


def test_a_chat_in_the_terminal_sees_warnings_only(
    made: Observing, capfd: pytest.CaptureFixture[str]
):
    made.apply(LoggingSettings(console_style="json"), is_quiet=True)
    _log.info("quiet thing")
    _log.warning("loud thing")
    said = capfd.readouterr().err
    assert "quiet thing" not in said
    assert "loud thing" in said
    assert len(made.tail.tail().lines) == 2


def test_levels_have_the_node_gateways_names(made: Observing):
    made.apply(LoggingSettings(level="warn", console_level="silent"), is_quiet=False)
    _log.info("unheard")
    _log.warning("heard")
    assert [json.loads(line)["event"] for line in made.tail.tail().lines] == ["heard"]


def test_patterns_of_the_settings_are_redacted(made: Observing):
    made.apply(
        LoggingSettings(redact_patterns=("order-[0-9]+",), console_level="silent"), is_quiet=False
    )
    _log.info("shipped", what="order-4711")
    assert "order-4711" not in made.tail.tail().lines[0]


def test_a_file_of_the_settings_is_used(tmp_path: Path):
    paths = resolve_paths({}, PathFlags(state_dir=str(tmp_path / "state")))
    paths.make_state_dir()
    settings = LoggingSettings(file=str(tmp_path / "own.log"))
    observing = Observing.build(paths, settings, SystemClock())
    assert observing.tail.tail().file == str(tmp_path / "own.log")
    observing.close()


def test_the_log_of_the_last_run_is_there_and_a_cursor_stays_good(made: Observing, tmp_path: Path):
    made.apply(LoggingSettings(console_level="silent"), is_quiet=False)
    _log.info("one")
    _log.info("two")
    before = made.tail.tail()
    made.close()
    paths = resolve_paths({}, PathFlags(state_dir=str(tmp_path / "state")))
    again = Observing.build(paths, LoggingSettings(), SystemClock())
    after = again.tail.tail()
    assert (after.cursor, after.lines) == (before.cursor, before.lines)
    assert after.cursor == again.log_file.size
    since = again.tail.tail(cursor=before.cursor)
    assert (since.lines, since.reset) == ([], False)
    again.close()
