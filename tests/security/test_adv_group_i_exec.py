"""Advisories of group I that touch commands: what is shown is all of what runs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from carapace.agent.exec.shown import shown_argv
from carapace.protocol.approvals import ApprovalSubject
from support.commands import Yard

LONG = ["echo", *(f"argument-{number}" for number in range(250)), "&& rm -rf ~"]


def test_adv_i05_the_question_holds_every_argument_and_the_digest_of_what_runs(tmp_path: Path):
    command = Yard(tmp_path).command(LONG)
    subject = ApprovalSubject(
        command=command.shown,
        cwd=str(command.cwd),
        host="gateway",
        security="allowlist",
        ask="on-miss",
        agent_id="main",
        resolved_path=str(command.path),
        session_key="agent:main:main",
        argv=list(command.argv),
        digest=command.digest,
    )
    told = msgspec.json.decode(msgspec.json.encode(subject))
    assert told["argv"] == LONG
    assert told["command"].endswith("argument-249 '&& rm -rf ~'")
    assert told["digest"] == Yard(tmp_path).command(LONG).digest


def test_adv_i04_nothing_in_a_command_acts_on_a_terminal_or_turns_letters():
    shown = shown_argv(["echo", "\x1b]0;title\x07", "\u202etxt.exe", "a\rb", "\u200b"])
    assert shown.isprintable()
    assert "\\u001b" in shown
    assert "\\u202e" in shown
