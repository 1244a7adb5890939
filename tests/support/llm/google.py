"""The dialect of `generateContent` and `streamGenerateContent`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.llm.script import Asked, Counts, Dialect, Script, Sent, text_of

__all__ = ["GOOGLE"]


def _ask(body: dict[str, Any]) -> Asked:
    user, result = "", None
    for content in body.get("contents") or []:
        parts = content.get("parts") or []
        for part in parts:
            if reply := part.get("functionResponse"):
                value = reply.get("response") or {}
                result = str(value.get("output", value.get("error", "")))
        if content.get("role") == "user" and text_of(parts).strip():
            user, result = text_of(parts), None
    names = {
        row.get("name", "")
        for tool in body.get("tools") or []
        for row in tool.get("functionDeclarations") or []
    }
    return Asked(user, result, frozenset(names - {""}))


def _answer(
    body: dict[str, Any], script: Script, parts: list[dict[str, Any]], finish: str | None = None
) -> dict[str, Any]:
    counts = Counts.of(body, script)
    prompt = counts.fresh + counts.cached
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": prompt,
            "cachedContentTokenCount": counts.cached,
            "candidatesTokenCount": counts.output,
            "totalTokenCount": prompt + counts.output,
        },
        "modelVersion": "fake-1",
        "responseId": script.id,
    }


def _parts(script: Script) -> Iterator[tuple[dict[str, Any], bool]]:
    if script.think:
        yield {"text": script.think, "thought": True}, False
    if script.tool:
        name, arguments = script.tool
        call = {"id": f"call_{script.id}", "name": name, "args": arguments}
        yield {"functionCall": call}, False
    for word in script.words:
        yield {"text": word}, True


def _stream(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    for part, is_word in _parts(script):
        yield Sent(_answer(body, script, [part]), is_word)
    yield Sent(_answer(body, script, [{"text": ""}], "STOP"), ends=True)


def _whole(body: dict[str, Any], script: Script) -> dict[str, Any]:
    parts = [part for part, _ in _parts(script)]
    return _answer(body, script, parts, "STOP")


GOOGLE = Dialect(_ask, _stream, _whole)
