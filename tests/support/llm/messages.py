"""The dialect of `POST /v1/messages`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.llm.script import Asked, Counts, Dialect, Script, Sent, dumps, halves, text_of

__all__ = ["MESSAGES"]


def _ask(body: dict[str, Any]) -> Asked:
    user, result = "", None
    for message in body.get("messages") or []:
        content = message.get("content")
        if message.get("role") != "user":
            continue
        for block in content if isinstance(content, list) else []:
            if block.get("type") == "tool_result":
                result = text_of(block.get("content"))
        if text_of(content).strip():
            user, result = text_of(content), None
    names = {t.get("name", "") for t in body.get("tools") or []}
    return Asked(user, result, frozenset(names - {""}))


def _whole(body: dict[str, Any], script: Script) -> dict[str, Any]:
    counts = Counts.of(body, script)
    blocks: list[dict[str, Any]] = []
    if script.think:
        blocks.append({"type": "thinking", "thinking": script.think, "signature": "c2ln"})
    if script.tool:
        name, arguments = script.tool
        call = {"type": "tool_use", "id": f"toolu_{script.id}", "name": name, "input": arguments}
        blocks.append(call)
    else:
        blocks.append({"type": "text", "text": script.text})
    return {
        "id": f"msg_{script.id}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "fake-1"),
        "content": blocks,
        "stop_reason": "tool_use" if script.tool else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": counts.fresh,
            "output_tokens": counts.output,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": counts.cached,
        },
    }


def _block_deltas(
    block: dict[str, Any], script: Script
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": word} for word in script.words]
        return {"type": "text", "text": ""}, deltas
    if block["type"] == "thinking":
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    pieces = halves(dumps(block["input"]))
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {**block, "input": {}}, deltas


def _stream(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    whole = _whole(body, script)

    def event(kind: str, *, is_word: bool = False, ends: bool = False, **fields: Any) -> Sent:
        return Sent({"type": kind, **fields}, is_word, ends, kind)

    usage = {**whole["usage"], "output_tokens": 1}
    yield event(
        "message_start", message={**whole, "content": [], "stop_reason": None, "usage": usage}
    )
    for index, block in enumerate(whole["content"]):
        empty, deltas = _block_deltas(block, script)
        yield event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            is_word = delta["type"] == "text_delta"
            yield event("content_block_delta", index=index, delta=delta, is_word=is_word)
        yield event("content_block_stop", index=index)
    yield event(
        "message_delta",
        ends=True,
        delta={"stop_reason": whole["stop_reason"], "stop_sequence": None},
        usage={"output_tokens": whole["usage"]["output_tokens"]},
    )
    yield event("message_stop", ends=True)


MESSAGES = Dialect(_ask, _stream, _whole)
