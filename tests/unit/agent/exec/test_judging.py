"""The stricter rule counts, and some things only a person may decide."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from carapace.agent.approval import Verdict
from carapace.agent.exec.document import ExecRules
from carapace.agent.exec.judging import Use, judge
from carapace.agent.exec.types import Command
from carapace.agent.types import RunSource
from carapace.protocol.approvals import Ask, Security

LS = Command(
    argv=("ls",),
    path=Path("/usr/bin/ls").resolve(),
    cwd=Path("/w"),
    env={},
    digest="ab",
    is_script=False,
    is_carrier=False,
)
EXEC = Use(tool="exec", digest="ab", shown="ls", command=LS)
CARRIER = replace(EXEC, command=replace(LS, is_carrier=True))
OWN = Use(tool="process", digest="p", shown="process", is_own=True)
OTHER = Use(tool="message", digest="cd", shown="message")
LISTED = ("digest:ab", "digest:cd")
OPERATOR = RunSource.OPERATOR


@pytest.mark.parametrize(
    ("use", "security", "ask", "patterns", "verdict"),
    [
        (EXEC, "deny", "off", LISTED, Verdict.DENY),
        (EXEC, "allowlist", "on-miss", LISTED, Verdict.ALLOW),
        (EXEC, "allowlist", "on-miss", (), Verdict.ASK),
        (EXEC, "allowlist", "off", (), Verdict.DENY),
        (EXEC, "allowlist", "off", LISTED, Verdict.ALLOW),
        (EXEC, "allowlist", "always", LISTED, Verdict.ASK),
        (EXEC, "full", "off", (), Verdict.ALLOW),
        (EXEC, "full", "on-miss", (), Verdict.ALLOW),
        (EXEC, "full", "always", LISTED, Verdict.ASK),
        (CARRIER, "allowlist", "on-miss", LISTED, Verdict.ASK),
        (CARRIER, "allowlist", "off", LISTED, Verdict.DENY),
        (OWN, "allowlist", "always", (), Verdict.ALLOW),
        (OWN, "deny", "off", (), Verdict.DENY),
        # A tool that runs nothing is asked about, whatever holds for commands.
        (OTHER, "full", "off", (), Verdict.ASK),
        (OTHER, "deny", "on-miss", LISTED, Verdict.ALLOW),
        (OTHER, "deny", "always", LISTED, Verdict.ASK),
    ],
)
def test_what_the_owners_words_may_cause(
    use: Use, security: Security, ask: Ask, patterns: tuple[str, ...], verdict: Verdict
):
    assert judge(use, ExecRules(security, ask, patterns), OPERATOR).verdict is verdict


@pytest.mark.parametrize("use", [EXEC, OWN, OTHER])
@pytest.mark.parametrize("source", [RunSource.HTTP, RunSource.VISITOR])
def test_for_others_only_a_person_decides(use: Use, source: RunSource):
    assert judge(use, ExecRules("full", "off", LISTED), source).verdict is Verdict.ASK


@pytest.mark.parametrize("use", [EXEC, OWN, OTHER])
def test_words_from_outside_raise_no_question(use: Use):
    found = judge(use, ExecRules("full", "off", LISTED), RunSource.OUTSIDE)
    assert found.verdict is Verdict.DENY
    assert "outside" in found.reason
