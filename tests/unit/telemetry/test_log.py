"""One pipeline takes our lines and libraries' lines, redacts and hands them out."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings

import pytest

from carapace.telemetry import log as module
from carapace.telemetry.log import LogOptions, configure, get_logger
from carapace.telemetry.redact import Redactor


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore():
    state, handlers = module._state, list(logging.getLogger().handlers)
    level = logging.getLogger().level
    module._state = module._State()
    yield
    module._state = state
    logging.captureWarnings(capture=False)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def collect(**options) -> tuple[list[dict], io.StringIO]:
    lines: list[dict] = []
    stream = options.pop("stream", io.StringIO())
    configure(
        LogOptions(outlets=(lambda line: lines.append(json.loads(line)),), stream=stream, **options)
    )
    return lines, stream


def test_a_line_has_time_level_logger_event_and_fields():
    lines, stream = collect()
    get_logger("carapace.server.hub").info("client connected", conn="c1", count=2)
    (line,) = lines
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "server.hub",
        "event": "client connected",
        "conn": "c1",
        "count": 2,
    }
    assert json.loads(stream.getvalue())["event"] == "client connected"


def test_every_level_is_named_and_lower_ones_are_left_out():
    lines, _ = collect(level="warning")
    log = get_logger("x")
    for say in (log.debug, log.info, log.warning, log.error, log.critical):
        say("word")
    assert [line["level"] for line in lines] == ["warning", "error", "critical"]


@pytest.mark.parametrize(
    ("level", "count"), [("silent", 0), ("fatal", 1), ("warn", 3), ("trace", 5)]
)
def test_the_node_gateways_level_names_are_understood(level, count: int):
    lines, _ = collect(level=level)
    log = get_logger("x")
    for say in (log.debug, log.info, log.warning, log.error, log.critical):
        say("word")
    assert len(lines) == count


def test_debug_lines_appear_when_asked_for():
    lines, _ = collect(level="debug")
    get_logger("x").debug("word")
    assert lines[0]["level"] == "debug"


def test_bound_fields_are_on_each_line():
    lines, _ = collect()
    log = get_logger("x").bind(run="r1")
    log.info("a")
    log.bind(step=2).info("b")
    assert [(line["run"], line.get("step")) for line in lines] == [("r1", None), ("r1", 2)]


def test_an_exception_brings_its_traceback_redacted():
    lines, _ = collect()
    try:
        raise ValueError("token=swordfish")  # noqa: TRY301 - the traceback is what is tested
    except ValueError:
        get_logger("x").exception("it failed")
    assert "ValueError" in lines[0]["exception"]
    assert "swordfish" not in lines[0]["exception"]
    assert lines[0]["level"] == "error"


def test_no_planted_secret_reaches_any_outlet_by_any_way():
    redactor = Redactor()
    redactor.add_secret("registered-value")
    lines, stream = collect(redactor=redactor)
    log = get_logger("x")
    log.info("event registered-value", password="swordfish", data={"apiKey": "swordfish"})
    log.info("e", url="http://u:swordfish@h/", header="Bearer swordfish", raw="registered-value")
    logging.getLogger("lib").warning("token=%s registered-value", "swordfish")
    everything = json.dumps(lines) + stream.getvalue()
    assert "swordfish" not in everything
    assert "registered-value" not in everything
    assert len(lines) == 3


def test_a_line_cannot_be_forged_with_newlines_or_escapes():
    _, stream = collect(style="pretty")
    logging.getLogger("lib").warning("hello\n12:00 [error] forged\x1b[2J")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b[2J" not in stream.getvalue()


def test_long_texts_are_cut_after_redaction():
    lines, _ = collect()
    get_logger("x").info("e", text="a" * 20_000, count=10**12)
    assert len(lines[0]["text"]) == 8_192
    assert lines[0]["count"] == 10**12


def test_a_terminal_gets_pretty_lines():
    _, stream = collect(stream=Terminal())
    get_logger("x").warning("pretty words", conn="c1")
    assert "pretty words" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


def test_the_console_may_show_less_than_is_kept():
    lines, stream = collect(console_level="error")
    get_logger("x").info("kept only")
    assert len(lines) == 1
    assert stream.getvalue() == ""


def test_a_closed_terminal_stops_nothing():
    lines, stream = collect()
    stream.close()
    get_logger("x").info("still kept")
    assert lines[0]["event"] == "still kept"


def test_libraries_go_the_same_way():
    lines, _ = collect()
    try:
        json.loads("inside")
    except ValueError:
        logging.getLogger("some.library").exception("it said %s", "so")
    assert lines[0]["logger"] == "some.library"
    assert lines[0]["event"] == "it said so"
    assert "JSONDecodeError" in lines[0]["exception"]


def test_a_librarys_bad_format_string_is_reported_not_raised():
    lines, _ = collect()
    record = logging.LogRecord("lib", logging.WARNING, __file__, 1, "%d", ("word",), None)
    module._state.library_handler().emit(record)
    assert "unformattable" in lines[0]["event"]


def test_warnings_become_lines():
    lines, _ = collect()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning, stacklevel=1)
    assert "careful" in lines[0]["event"]


def test_configuring_again_moves_loggers_in_use_and_leaves_one_handler():
    first, _ = collect()
    log = get_logger("x")
    log.info("one")
    second, _ = collect()
    log.info("two")
    logging.getLogger("lib").warning("three")
    assert [line["event"] for line in first] == ["one"]
    assert [line["event"] for line in second] == ["two", "three"]


def test_before_configuration_only_warnings_are_said_and_on_standard_error(capsys):
    log = get_logger("x")
    log.info("nothing")
    log.warning("something")
    said = capsys.readouterr()
    assert said.out == ""
    assert json.loads(said.err)["event"] == "something"


@pytest.mark.slow
def test_logging_brings_neither_structlog_before_the_first_line_nor_rich_at_all():
    script = (
        "import sys, carapace.telemetry.log as m; log = m.get_logger('x');"
        "assert 'structlog' not in sys.modules; log.error('x');"
        "assert 'structlog' in sys.modules; assert 'rich' not in sys.modules;"
        "import rich"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.slow
def test_rich_stays_where_it_was_imported_first():
    script = (
        "import sys, rich, carapace.telemetry.log as m; m.get_logger('x').error('x');"
        "assert sys.modules['rich'] is rich"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
