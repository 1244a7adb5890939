"""`system.run`: what of its params a node gets, whoever asks.

Pure. Fields the Node gateway's own clients use to tell a node that a person has agreed are not the
caller's to set (advisory B16); neither is a text that is shown in place of what is run (L04). The
id of the run is made here if there is none, so that the node's news of it can be told from others'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from carapace.errors import Refused
from carapace.value import Value

__all__ = ["SystemRun", "system_run"]

_KEPT: Final = (
    "command",
    "cwd",
    "env",
    "timeoutMs",
    "needsScreenRecording",
    "agentId",
    "sessionKey",
    "runId",
)
_SHELLS: Final = (("/bin/sh", "-lc"), ("cmd.exe", "/d", "/s", "/c"))
"""How the stock command line runs a line of text; the text is then what a person reads."""
_MAX_ID: Final = 128


class SystemRun(Value, frozen=True):
    """A run as it is passed on.

    Attributes:
        params: For the node.
        run_id: By which the node tells how it goes.
        session_key: Who asks, as the caller wrote it; None if it names no session.
        shown: The one text that a person reads for exactly this; None if a text could mean
            something else as well, or an environment comes with it that nobody was shown.
        cwd: Where.
        agent_id: For which agent.
    """

    params: dict[str, Any]
    run_id: str
    session_key: str | None
    shown: str | None
    cwd: str | None
    agent_id: str | None


def system_run(given: Any, fresh_id: str) -> SystemRun:
    """The run that `given` asks for; `fresh_id` names it if nothing else does.

    Raises:
        Refused: If there is no command, as a list of words.
    """
    asked = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    argv = _argv(asked.get("command"))
    params = {name: asked[name] for name in _KEPT if asked.get(name) is not None}
    line = _line(argv)
    if line is not None and _text(asked.get("rawCommand")) == line:
        params["rawCommand"] = line
    run_id = _text(asked.get("runId"))[:_MAX_ID] or fresh_id
    return SystemRun(
        params={**params, "runId": run_id},
        run_id=run_id,
        session_key=_text(asked.get("sessionKey")) or None,
        shown=None if params.get("env") else _shown(argv, line),
        cwd=_text(asked.get("cwd")) or None,
        agent_id=_text(asked.get("agentId")) or None,
    )


def _argv(value: Any) -> list[str]:
    words = cast("list[Any]", value) if isinstance(value, list) else []
    if not words or not all(isinstance(word, str) for word in words):
        raise Refused("invalid system.run params: command must be a list of words, not one text")
    return words


def _line(argv: Sequence[str]) -> str | None:
    """The line that a shell runs, if that is what is asked for."""
    for shell in _SHELLS:
        if tuple(argv[:-1]) == shell:
            return argv[-1].strip()
    return None


def _shown(argv: Sequence[str], line: str | None) -> str | None:
    if line is not None:
        return line
    has_gaps = any(not word or len(word.split()) != 1 for word in argv)
    return None if has_gaps else " ".join(argv)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
