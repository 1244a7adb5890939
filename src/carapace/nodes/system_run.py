"""`system.run`: what of its params a node gets, whoever asks.

Pure. Fields the Node gateway's own clients use to tell a node that a person has agreed are not the
caller's to set (advisory B16); neither is a text that is shown in place of what is run (L04). The
id of the run is made here if there is none, so that the node's news of it can be told from others'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from carapace.errors import Refused

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
_MAX_ID: Final = 128


@dataclass(frozen=True, slots=True)
class SystemRun:
    """A run as it is passed on.

    Attributes:
        params: For the node.
        run_id: By which the node tells how it goes.
        session_key: Who asks, as the caller wrote it; None if it names no session.
    """

    params: dict[str, Any]
    run_id: str
    session_key: str | None


def system_run(given: Any, fresh_id: str) -> SystemRun:
    """The run that `given` asks for; `fresh_id` names it if nothing else does.

    Raises:
        Refused: If there is no command, as a list of words.
    """
    asked = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if not _is_argv(asked.get("command")):
        raise Refused("invalid system.run params: command must be a list of words, not one text")
    params = {name: asked[name] for name in _KEPT if asked.get(name) is not None}
    run_id = _text(asked.get("runId")) or fresh_id
    return SystemRun({**params, "runId": run_id}, run_id, _text(asked.get("sessionKey")))


def _is_argv(value: Any) -> bool:
    words = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(words) and all(isinstance(word, str) for word in words)


def _text(value: Any) -> str | None:
    text = value.strip()[:_MAX_ID] if isinstance(value, str) else ""
    return text or None
