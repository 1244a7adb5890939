"""The dialect of `POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.llm.script import CREATED, Asked, Counts, Dialect, Script, Sent, dumps, halves, text_of

__all__ = ["CHAT"]


def _ask(body: dict[str, Any]) -> Asked:
    user, result = "", None
    for message in body.get("messages") or []:
        text = text_of(message.get("content"))
        if message.get("role") == "tool":
            result = text
        elif message.get("role") == "user" and text.strip():
            user, result = text, None
    names = {t.get("function", {}).get("name", "") for t in body.get("tools") or []}
    return Asked(user, result, frozenset(names - {""}))


def _usage(counts: Counts) -> dict[str, Any]:
    prompt = counts.fresh + counts.cached
    return {
        "prompt_tokens": prompt,
        "completion_tokens": counts.output,
        "total_tokens": prompt + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
    }


def _stream(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    base = {
        "id": f"chatcmpl-{script.id}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": body.get("model", "fake-1"),
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield Sent(chunk({"role": "assistant", "content": ""}))
    if script.think:
        yield Sent(chunk({"reasoning_content": script.think}))
    if script.tool:
        name, arguments = script.tool
        head = {"index": 0, "id": f"call_{script.id}", "type": "function"}
        yield Sent(chunk({"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}))
        for piece in halves(dumps(arguments)):
            part = {"index": 0, "function": {"arguments": piece}}
            yield Sent(chunk({"tool_calls": [part]}))
    for word in script.words:
        yield Sent(chunk({"content": word}), is_word=True)
    yield Sent(chunk({}, "tool_calls" if script.tool else "stop"), ends=True)
    if (body.get("stream_options") or {}).get("include_usage", True):
        yield Sent({**base, "choices": [], "usage": _usage(Counts.of(body, script))})


def _whole(body: dict[str, Any], script: Script) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": script.text or None}
    if script.tool:
        function = {"name": script.tool[0], "arguments": dumps(script.tool[1])}
        call = {"id": f"call_{script.id}", "type": "function", "function": function}
        message["tool_calls"] = [call]
    finish = "tool_calls" if script.tool else "stop"
    return {
        "id": f"chatcmpl-{script.id}",
        "object": "chat.completion",
        "created": CREATED,
        "model": body.get("model", "fake-1"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": _usage(Counts.of(body, script)),
    }


CHAT = Dialect(_ask, _stream, _whole, says_done=True)
