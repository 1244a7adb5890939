"""The dialect of `POST /v1/responses`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.llm.script import CREATED, Asked, Counts, Dialect, Script, Sent, dumps, halves, text_of

__all__ = ["RESPONSES"]


def _ask(body: dict[str, Any]) -> Asked:
    items = body.get("input") or []
    user, result = (items, None) if isinstance(items, str) else ("", None)
    for item in [] if isinstance(items, str) else items:
        text = text_of(item.get("content"))
        if item.get("type") == "function_call_output":
            result = text_of(item.get("output"))
        elif item.get("role") == "user" and text.strip():
            user, result = text, None
    names = {t.get("name", "") for t in body.get("tools") or []}
    return Asked(user, result, frozenset(names - {""}))


def _item(script: Script) -> dict[str, Any]:
    if script.tool:
        return {
            "type": "function_call",
            "id": f"fc_{script.id}",
            "call_id": f"call_{script.id}",
            "name": script.tool[0],
            "arguments": dumps(script.tool[1]),
            "status": "completed",
        }
    part = {"type": "output_text", "text": script.text, "annotations": []}
    return {
        "type": "message",
        "id": f"msg_{script.id}",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _whole(body: dict[str, Any], script: Script) -> dict[str, Any]:
    counts = Counts.of(body, script)
    prompt = counts.fresh + counts.cached
    return {
        "id": f"resp_{script.id}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "model": body.get("model", "fake-1"),
        "output": [_item(script)],
        "usage": {
            "input_tokens": prompt,
            "output_tokens": counts.output,
            "total_tokens": prompt + counts.output,
            "input_tokens_details": {"cached_tokens": counts.cached},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _stream(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    whole, item = _whole(body, script), _item(script)
    number = iter(range(10**9))

    def event(kind: str, *, is_word: bool = False, ends: bool = False, **fields: Any) -> Sent:
        data = {"type": kind, "sequence_number": next(number), **fields}
        return Sent(data, is_word, ends, kind)

    opening = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=opening)
    if script.think:
        thought: dict[str, Any] = {
            "output_index": 0,
            "item_id": f"rs_{script.id}",
            "summary_index": 0,
        }
        yield event("response.reasoning_summary_text.delta", delta=script.think, **thought)
    where: dict[str, Any] = {"output_index": 0, "item_id": item["id"]}
    if script.tool:
        added = {**item, "arguments": "", "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=added)
        for piece in halves(item["arguments"]):
            yield event("response.function_call_arguments.delta", delta=piece, **where)
    else:
        added = {**item, "content": [], "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=added)
        for word in script.words:
            kind = "response.output_text.delta"
            yield event(kind, content_index=0, delta=word, is_word=True, **where)
        yield event("response.output_text.done", content_index=0, text=script.text, **where)
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.completed", response=whole, ends=True)


RESPONSES = Dialect(_ask, _stream, _whole)
