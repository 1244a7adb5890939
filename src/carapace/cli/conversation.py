"""One conversation over a client: a message out, the answer as it grows, abort and reset.

No terminal here; `chat` brings one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from carapace.cli.client import GatewayClient
from carapace.cli.trouble import Trouble
from carapace.ids import new_id
from carapace.value import Value

__all__ = ["Answer", "Conversation"]

_SILENCE_S: Final = 120.0
"""The gateway ticks twice a minute: whoever says nothing for so long is gone."""
_ABORT_S: Final = 10.0


class Answer(Value, frozen=True):
    """How a run ended.

    Attributes:
        run_id: Of the run.
        state: As in the `chat` event.
        text: All of the answer that arrived.
        reason: Why it failed, if it did.
    """

    run_id: str
    state: Literal["final", "aborted", "error"]
    text: str
    reason: str | None = None


class Conversation:
    """Talks in one session.

    Args:
        gateway: An admitted connection.
        session_key: Which conversation.
    """

    def __init__(self, gateway: GatewayClient, session_key: str) -> None:
        self._gateway = gateway
        self._session_key = session_key

    def ask(self, message: str, on_text: Callable[[str], None]) -> Answer:
        """Send `message` and wait until its run ends.

        Ctrl-C aborts the run; a second one is passed on.

        Args:
            message: What to say.
            on_text: Called with each new piece of the answer.

        Raises:
            Trouble: If the gateway refuses, or goes away.
            KeyboardInterrupt: If interrupted while aborting.
        """
        self._gateway.revive()
        run_id = new_id()
        params = {
            "sessionKey": self._session_key,
            "message": message,
            "idempotencyKey": run_id,
        }
        follower = _Follower(run_id, on_text)
        try:
            started: dict[str, Any] = self._gateway.call("chat.send", params)
            if "aborted" in started:  # a stop word: the gateway aborted what ran, and runs nothing
                return Answer(run_id, "aborted", "")
            return self._follow(follower, _SILENCE_S)
        except KeyboardInterrupt:
            # It may have struck before the gateway took the message; the same key starts no
            # second run, and once that is answered there is a run that can be ended.
            self._gateway.call("chat.send", params)
            self.abort(run_id)
            return self._follow(follower, _ABORT_S)

    def abort(self, run_id: str | None = None) -> int:
        """End one run, or all of this session; how many that were."""
        self._gateway.revive()
        params = {"sessionKey": self._session_key, **({"runId": run_id} if run_id else {})}
        done: dict[str, Any] = self._gateway.call("chat.abort", params)
        return len(done.get("runIds", []))

    def reset(self) -> None:
        """Begin anew in the same session; what was said before is put away."""
        self._gateway.revive()
        self._gateway.call("sessions.reset", {"key": self._session_key})

    def _follow(self, follower: _Follower, silence_s: float) -> Answer:
        while True:
            event = self._gateway.next_event(silence_s)
            if event is None:
                raise Trouble(
                    "The gateway has gone silent.",
                    why=f"nothing came from it for {silence_s:g} s",
                    next_step="See: cara status. The answer is kept: cara sessions show "
                    f"{self._session_key}",
                )
            if event.name == "chat" and (answer := follower.take(event.payload)) is not None:
                return answer


class _Follower:
    """Turns the chat events of one run into new text and an end. No I/O."""

    def __init__(self, run_id: str, on_text: Callable[[str], None]) -> None:
        self._run_id = run_id
        self._on_text = on_text
        self._text = ""

    def take(self, payload: dict[str, Any]) -> Answer | None:
        if payload.get("runId") != self._run_id:
            return None
        self._grow(_text_of(payload))
        state: Any = payload.get("state")
        if state not in {"final", "aborted", "error"}:
            return None
        reason = payload.get("errorMessage")
        return Answer(self._run_id, state, self._text, str(reason) if reason else None)

    def _grow(self, whole: str) -> None:
        """A delta carries all text so far; a text that was rewritten is shown anew."""
        if not whole or whole == self._text:
            return
        shown, self._text = self._text, whole  # first: Ctrl-C may strike while it is printed
        self._on_text(whole[len(shown) :] if whole.startswith(shown) else f"\n{whole}")


def _text_of(payload: dict[str, Any]) -> str:
    message: Any = payload.get("message")
    if not isinstance(message, dict):
        return ""
    fields: dict[str, Any] = message  # pyright: ignore[reportUnknownVariableType] - JSON keys are text
    parts: list[dict[str, Any]] = fields.get("content") or []
    return "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
