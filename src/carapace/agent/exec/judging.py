"""Whether a use of a tool needs a person. Pure: facts in, verdict out.

Where two rules meet, the stricter counts. What only a person may decide: everything that a program
asks for over HTTP (advisory C07), and everything where `ask` is `always`.
"""

from __future__ import annotations

from typing import Final

from carapace.agent.approval import Verdict
from carapace.agent.exec.allowing import is_allowed, is_granted
from carapace.agent.exec.document import ExecRules
from carapace.agent.exec.types import Command
from carapace.agent.types import RunSource
from carapace.value import Value

__all__ = ["Judgement", "Use", "judge"]


class Use(Value, frozen=True, kw_only=True):
    """One use of one tool.

    Attributes:
        tool: Its name.
        digest: Of all that decides what happens.
        shown: All of it for a person's eyes.
        command: What it runs, if it runs something.
        is_own: It only looks after commands that were allowed before.
    """

    tool: str
    digest: str
    shown: str
    command: Command | None = None
    is_own: bool = False


class Judgement(Value, frozen=True):
    """What the rules say; `reason` is why, for the model or the trail."""

    verdict: Verdict
    reason: str = ""


_NO_COMMANDS: Final = Judgement(
    Verdict.DENY, "no command may run here; the operator may change tools.exec.security"
)
_NOT_LISTED: Final = Judgement(
    Verdict.DENY, "this command is not one of those that may run, and nobody is asked about others"
)
_FROM_OUTSIDE: Final = Judgement(
    Verdict.DENY, "the words that led to it came from outside, so nobody is asked"
)
_ASK: Final = Judgement(Verdict.ASK)
_BEFORE: Final = Judgement(Verdict.ALLOW, "allowed before")


def judge(use: Use, rules: ExecRules, source: RunSource) -> Judgement:
    """Allow, deny or ask.

    Args:
        use: What would be done.
        rules: Of the agent.
        source: Whose words led to it.
    """
    is_exec = use.command is not None or use.is_own
    if is_exec and rules.security == "deny":
        return _NO_COMMANDS
    if source is RunSource.OUTSIDE:
        return _FROM_OUTSIDE
    if source is not RunSource.OPERATOR:
        return _ASK
    if use.is_own:
        return Judgement(Verdict.ALLOW, "own processes")
    return _judge_operators(use, rules)


def _judge_operators(use: Use, rules: ExecRules) -> Judgement:
    """What the owner's own words led to."""
    if rules.ask == "always":
        return _ASK
    if use.command is None:
        return _BEFORE if is_granted(use.digest, rules.patterns) else _ASK
    if rules.security == "full":
        return Judgement(Verdict.ALLOW, "tools.exec.security is full")
    if is_allowed(use.command, rules.patterns):
        return _BEFORE
    return _NOT_LISTED if rules.ask == "off" else _ASK
