"""The shapes of `/v1/responses`: a strict body in, a conversation out.

Source: OpenAI's API reference of responses; refusals are worded as the Node gateway words them
where the recordings show one. Fields of the reference that mean nothing here are named below and
taken; anything else is refused, so that a misspelt field is not lost in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    TextPart,
    ToolCall,
    ToolResult,
)
from carapace.errors import Refused
from carapace.server.openai_conversation import calls_by_id
from carapace.server.openai_files import FileSource, PromptFiles
from carapace.value import Value

__all__ = ["ResponsesRequest", "conversation", "decode_request"]

_WITHOUT_MEANING: Final = frozenset(
    {
        "include", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls",
        "prompt_cache_key", "prompt_cache_retention", "reasoning", "safety_identifier",
        "service_tier", "store", "stream_options", "temperature", "text", "top_logprobs",
        "top_p", "truncation", "verbosity",
    }
)  # fmt: skip
_KNOWN: Final = _WITHOUT_MEANING | {
    "input", "instructions", "model", "previous_response_id", "stream", "tool_choice", "tools",
    "user",
}  # fmt: skip
_UNDEFINED: Final = "Invalid input: expected string, received undefined"


class ResponsesRequest(Value, frozen=True):
    """Body of POST /v1/responses.

    Attributes:
        model: As it was asked for.
        input: A text, or items.
        instructions: For the system prompt.
        stream: Whether events are wanted.
        user: Names a session.
        previous_response_id: The answer this goes on from.
        tools: The caller's own.
        tool_choice: What is said about them.
    """

    model: str
    input: str | list[dict[str, Any]]
    instructions: str = ""
    stream: bool = False
    user: str | None = None
    previous_response_id: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = None


def decode_request(body: bytes) -> ResponsesRequest:
    """The body.

    Raises:
        Refused: It is not JSON, lacks something, or has something that is not known.
    """
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Refused(": Invalid input: expected object")
    table = cast("dict[str, Any]", given)
    _check_keys(table)
    if not isinstance(table.get("model"), str):
        raise Refused(f"model: {_UNDEFINED if 'model' not in table else 'expected string'}")
    return ResponsesRequest(
        model=table["model"],
        input=_input(table.get("input")),
        instructions=_typed(table, "instructions", str) or "",
        stream=bool(_typed(table, "stream", bool)),
        user=_typed(table, "user", str),
        previous_response_id=_typed(table, "previous_response_id", str),
        tools=_tools(table.get("tools")),
        tool_choice=table.get("tool_choice"),
    )


def _check_keys(table: dict[str, Any]) -> None:
    unknown = [key for key in table if key not in _KNOWN]
    if not unknown:
        return
    names = ", ".join(f'"{key[:64]}"' for key in unknown[:10])
    raise Refused(f": Unrecognized key{'s' if len(unknown) > 1 else ''}: {names}")


def _typed(table: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = table.get(name)
    if value is not None and not isinstance(value, kind):
        word = {"str": "string", "bool": "boolean"}[kind.__name__]
        raise Refused(f"{name}: Invalid input: expected {word}")
    return value


def _input(value: Any) -> str | list[dict[str, Any]]:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        rows = cast("list[Any]", value)
        if all(isinstance(row, dict) for row in rows):
            return rows
    raise Refused("input: Invalid input")


def _tools(value: Any) -> tuple[dict[str, Any], ...]:
    if value is None:
        return ()
    rows = cast("list[Any]", value) if isinstance(value, list) else [None]
    if not all(isinstance(row, dict) for row in rows):
        raise Refused("tools: Invalid input: expected array of objects")
    return tuple(cast("list[dict[str, Any]]", rows))


async def conversation(
    given: str | Sequence[dict[str, Any]], files: PromptFiles
) -> tuple[list[ModelMessage], str]:
    """What was said, and the texts of the system and developer messages.

    Raises:
        Refused: If an item makes no sense here, or a file cannot be had.
    """
    if isinstance(given, str):
        return [ModelMessage("user", (TextPart(given),))], ""
    said: list[ModelMessage] = []
    system: list[str] = []
    for at, item in enumerate(given):
        kind = item.get("type", "message" if "role" in item else None)
        if kind == "message":
            await _message(item, at, files, said, system)
        elif kind == "function_call":
            call = ToolCall(
                _need(item, "call_id", at), _need(item, "name", at), _need(item, "arguments", at)
            )
            _answered(said, call)
        elif kind == "function_call_output":
            call_id = _need(item, "call_id", at)
            name = calls_by_id(said).get(call_id, "")
            said.append(ModelMessage("tool", (ToolResult(call_id, name, _output(item, at)),)))
        elif kind != "reasoning":
            raise Refused(
                f"input.{at}: items of type {str(kind)[:64]!r} mean nothing here; send messages, "
                "function_call and function_call_output"
            )
    return said, "\n\n".join(text for text in system if text)


async def _message(
    item: dict[str, Any],
    at: int,
    files: PromptFiles,
    said: list[ModelMessage],
    system: list[str],
) -> None:
    role = item.get("role")
    parts = await _parts(item.get("content"), f"input.{at}.content", files)
    if role in ("system", "developer"):
        system.append("\n".join(part.text for part in parts if isinstance(part, TextPart)))
    elif role in ("user", "assistant"):
        said.append(ModelMessage("user" if role == "user" else "assistant", parts))
    else:
        raise Refused(f"input.{at}.role: use user, assistant, system or developer")


async def _parts(content: Any, path: str, files: PromptFiles) -> tuple[TextPart | ImagePart, ...]:
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    if not isinstance(content, list):
        raise Refused(f"{path}: Invalid input")
    found: list[TextPart | ImagePart] = []
    for at, part in enumerate(cast("list[Any]", content)):
        row = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        kind = row.get("type")
        if kind in ("input_text", "output_text") and isinstance(row.get("text"), str):
            found.append(TextPart(row["text"]))
        elif kind == "input_image":
            found.append(await files.image(_source(row, "image_url", f"{path}.{at}")))
        elif kind == "input_file":
            found.append(TextPart(await files.text(_source(row, "file_url", f"{path}.{at}"))))
        elif kind != "refusal":
            raise Refused(f"{path}.{at}: use input_text, input_image or input_file")
    return tuple(found)


def _source(part: dict[str, Any], url_field: str, path: str) -> FileSource:
    """Where a part's file is, in the spelling of OpenAI or in that of the Node gateway."""
    filename = part.get("filename")
    inner = part.get("source")
    source = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    url = part.get(url_field) or source.get("url")
    data = part.get("file_data") or source.get("data")
    name = filename or source.get("filename")
    if isinstance(data, str):
        return FileSource(data=data, filename=name if isinstance(name, str) else None)
    if isinstance(url, str):
        return FileSource(url=url, filename=name if isinstance(name, str) else None)
    if "file_id" in part:
        raise Refused(f"{path}: files cannot be uploaded here: send the data itself")
    raise Refused(f"{path}: say where the file is, with {url_field} or the data itself")


def _answered(said: list[ModelMessage], call: ToolCall) -> None:
    """Put a call to the answer it belongs to."""
    if said and said[-1].role == "assistant":
        said[-1] = ModelMessage("assistant", (*said[-1].parts, call))
    else:
        said.append(ModelMessage("assistant", (call,)))


def _need(item: dict[str, Any], name: str, at: int) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise Refused(f"input.{at}.{name}: {_UNDEFINED if value is None else 'expected string'}")
    return value


def _output(item: dict[str, Any], at: int) -> str:
    value = item.get("output")
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        rows = cast("list[Any]", value)
        texts = [cast("dict[str, Any]", row).get("text") for row in rows if isinstance(row, dict)]
        return "\n".join(text for text in texts if isinstance(text, str))
    raise Refused(f"input.{at}.output: Invalid input: expected string")
