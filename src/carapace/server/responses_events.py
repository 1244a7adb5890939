"""An answer of `/v1/responses`, whole or as its events. A machine without I/O.

The events' names and order are those of OpenAI's API and of the recordings: created,
in_progress, then for the text item added, part added, deltas, text done, part done, item done,
then each call, then completed.
"""

from __future__ import annotations

from typing import Any, Final

from carapace.agent.types import RunOutcome
from carapace.protocol.agent import PendingToolCall
from carapace.server.http_runs import DONE, event
from carapace.server.openai_wire import failure_of, finish_of, pending_of, text_of, usage_of
from carapace.value import Value

__all__ = ["ResponseEvents", "ResponseHead", "response_body"]

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CUT_SHORT: Final = "the answer was cut short: see the gateway's log"
_NO_TOKENS: Final = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


class ResponseHead(Value, frozen=True):
    """What all parts of one answer share.

    Attributes:
        run_id: Names the answer.
        model: As it was asked for.
        created_at: Seconds since 1970.
        previous_id: The answer it goes on from.
    """

    run_id: str
    model: str
    created_at: int
    previous_id: str | None = None

    @property
    def id(self) -> str:
        """The answer's id."""
        return f"resp_{self.run_id}"

    @property
    def message_id(self) -> str:
        """The id of its text."""
        return f"msg_{self.run_id}"


def response_body(head: ResponseHead, outcome: RunOutcome) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    calls = pending_of(outcome)
    text = text_of(outcome)
    output = [] if calls and not text else [_message(head, text, "completed")]
    output += [_call(head, at, call) for at, call in enumerate(calls)]
    reason = _INCOMPLETE.get(finish_of(outcome))
    body = _body(head, "incomplete" if reason else "completed", output, _usage(outcome))
    body["incomplete_details"] = {"reason": reason} if reason else None
    return body


def _body(
    head: ResponseHead, status: str, output: list[dict[str, Any]], usage: dict[str, int]
) -> dict[str, Any]:
    return {
        "id": head.id,
        "object": "response",
        "created_at": head.created_at,
        "status": status,
        "model": head.model,
        "output": output,
        "usage": usage,
        "error": None,
        "previous_response_id": head.previous_id,
    }


def _message(head: ResponseHead, text: str, status: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": head.message_id,
        "role": "assistant",
        "content": [_part(text)],
        "status": status,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _call(head: ResponseHead, at: int, call: PendingToolCall) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{head.run_id}_{at}",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments or "{}",
        "status": "completed",
    }


def _usage(outcome: RunOutcome) -> dict[str, int]:
    used = usage_of(outcome)
    return {
        "input_tokens": used["prompt_tokens"],
        "output_tokens": used["completion_tokens"],
        "total_tokens": used["total_tokens"],
    }


class ResponseEvents:
    """The events of one answer; satisfies `EventWords`."""

    def __init__(self, head: ResponseHead) -> None:
        self._head = head
        self._text = ""
        self._is_open = False
        self._number = 0

    def begin(self) -> bytes:
        """It was created and is being made."""
        body = _body(self._head, "in_progress", [], _NO_TOKENS)
        return self._event("response.created", response=body) + self._event(
            "response.in_progress", response=body
        )

    def text(self, more: str) -> bytes:
        """A piece of text; the first one opens the item."""
        opened = self._opened()
        self._text += more
        return opened + self._in_text("response.output_text.delta", delta=more)

    def end(self, outcome: RunOutcome | None) -> bytes:
        """The text's end, the calls, and the whole answer; or what went wrong."""
        failure = (500, _CUT_SHORT) if outcome is None else failure_of(outcome)
        if outcome is None or failure is not None:
            return self._failed(failure[1] if failure else _CUT_SHORT)
        calls = pending_of(outcome)
        said = text_of(outcome)
        ending = b""
        if said.startswith(self._text) and len(said) > len(self._text):
            ending += self.text(said[len(self._text) :])
        if not calls:
            ending += self._opened()
        ending += self._closed()
        for at, call in enumerate(calls):
            ending += self._called(at + int(self._is_open), _call(self._head, at, call))
        body = response_body(self._head, outcome)
        return ending + self._event(f"response.{body['status']}", response=body) + DONE

    def _opened(self) -> bytes:
        if self._is_open:
            return b""
        self._is_open = True
        item = _message(self._head, "", "in_progress")
        return self._event("response.output_item.added", output_index=0, item=item) + self._in_text(
            "response.content_part.added", part=_part("")
        )

    def _closed(self) -> bytes:
        if not self._is_open:
            return b""
        item = _message(self._head, self._text, "completed")
        return (
            self._in_text("response.output_text.done", text=self._text)
            + self._in_text("response.content_part.done", part=_part(self._text))
            + self._event("response.output_item.done", output_index=0, item=item)
        )

    def _called(self, index: int, item: dict[str, Any]) -> bytes:
        fields = {"item_id": item["id"], "output_index": index}
        begun = {**item, "arguments": "", "status": "in_progress"}
        text = item["arguments"]
        return (
            self._event("response.output_item.added", output_index=index, item=begun)
            + self._event("response.function_call_arguments.delta", **fields, delta=text)
            + self._event("response.function_call_arguments.done", **fields, arguments=text)
            + self._event("response.output_item.done", output_index=index, item=item)
        )

    def _failed(self, text: str) -> bytes:
        body = _body(self._head, "failed", [], _NO_TOKENS)
        body["error"] = {"code": "server_error", "message": text}
        return self._event("response.failed", response=body) + DONE

    def _in_text(self, name: str, **fields: Any) -> bytes:
        where = {"item_id": self._head.message_id, "output_index": 0, "content_index": 0}
        return self._event(name, **where, **fields)

    def _event(self, name: str, **fields: Any) -> bytes:
        self._number += 1
        return event({"type": name, **fields, "sequence_number": self._number - 1}, name)
