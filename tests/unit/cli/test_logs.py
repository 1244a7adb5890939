"""`cara logs` prints the log, and follows it."""

from __future__ import annotations

import json

import pytest

from carapace.cli.logs import pretty
from support.command import Command
from support.mini_gateway import MiniGateway


def test_lines_are_printed_for_people(cara: Command, gateway: MiniGateway):
    assert cara("logs", "-n", "5").out == "00:00:00 info     hello []\n"
    assert gateway.asked("logs.tail") == [{"limit": 5}]


def test_lines_are_printed_for_programs(cara: Command, gateway: MiniGateway):
    assert json.loads(cara("logs", "--json").out)["event"] == "hello"


@pytest.mark.slow
def test_following_prints_what_comes_until_interrupted(cara: Command, gateway: MiniGateway):
    asked = 0

    def tail(params: dict) -> dict:
        nonlocal asked
        asked += 1
        if asked == 2:
            gateway.log.append('{"level":"error","event":"later"}')
        if asked == 3:
            raise_in_main_thread()
        lines = gateway.log[params.get("cursor") or 0 :]
        return {"lines": lines, "cursor": len(gateway.log)}

    def raise_in_main_thread() -> None:
        import _thread  # noqa: PLC0415 - the interpreter's own Ctrl-C

        _thread.interrupt_main()

    gateway.answers["logs.tail"] = tail
    done = cara("logs", "-f")
    assert done.code == 130
    assert [line.split()[-2] for line in done.out.splitlines()] == ["hello", "later"]


def test_a_line_of_another_kind_is_printed_as_it_is():
    assert pretty("plain words") == "plain words"


def test_fields_and_tracebacks_are_shown():
    line = {
        "time": "2026-01-01T10:11:12.000Z",
        "level": "error",
        "logger": "store",
        "event": "it failed",
        "conn": "c1",
        "0": "x",
        "1": "y",
        "_meta": {},
        "exception": "Traceback",
    }
    assert pretty(json.dumps(line)) == "10:11:12 error    it failed [store] conn=c1\nTraceback"
