"""The one place that touches the native engine. Imported by the worker process only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, Protocol, cast

from carapace.agent.providers.local_wire import Done, Fault, Generate, Start

__all__ = ["Engine", "LlamaEngine"]

_LANES = 2


class Engine(Protocol):
    """Writes answers, one at a time."""

    def generate(
        self, request: Generate, on_text: Callable[[str], None], is_cancelled: Callable[[], bool]
    ) -> Done | Fault:
        """Write one answer; blocks until it has ended."""
        ...


class LlamaEngine:
    """llama.cpp through `xllamacpp`.

    The library opens an HTTP listener on a random loopback port that cannot be turned off; it
    gets a random key that nobody is told, and no pages, so it serves nothing.

    Args:
        start: Which model and how.

    Raises:
        ImportError: The package is not installed.
        RuntimeError: The file cannot be loaded.
    """

    def __init__(self, start: Start) -> None:
        import xllamacpp  # noqa: PLC0415 - an extra, and heavy

        # The package has no types; `Any` ends in this class.
        self._library = cast("Any", xllamacpp)
        params = self._library.CommonParams()
        params.model.path = start.model_path
        params.n_ctx = start.context_tokens
        params.n_parallel = _LANES
        params.kv_unified = True  # lanes share the context instead of halving it
        params.cpuparams.n_threads = start.threads
        params.cpuparams_batch.n_threads = start.threads
        params.cache_ram_mib = 0  # the default would keep up to 8 GiB of old prompts
        params.api_keys = [secrets.token_urlsafe(32)]
        params.ui = False
        params.endpoint_slots = False
        params.n_threads_http = 1
        params.offline = True
        params.warmup = False
        params.verbosity = 0
        if start.chat_template is not None:
            params.chat_template = start.chat_template
        self._server = self._library.Server(params)

    def generate(
        self, request: Generate, on_text: Callable[[str], None], is_cancelled: Callable[[], bool]
    ) -> Done | Fault:
        """Write one answer; blocks until it has ended."""
        answer = _Answer(request.id, on_text, is_cancelled)
        self._server.handle_chat_completions(self._body(request), answer.take)
        return answer.result()

    def _body(self, request: Generate) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "id_slot": request.lane,
            "cache_prompt": True,
        }
        if request.schema is not None:
            # Without this the model spends tokens on indentation.
            schema = {**request.schema, "x-guidance": {"whitespace_flexible": False}}
            body["grammar"] = self._library.json_schema_to_grammar(json.dumps(schema))
        return body


class _Answer:
    """Reads the engine's chunks, which are those of the chat completions API."""

    def __init__(
        self, answer_id: int, on_text: Callable[[str], None], is_cancelled: Callable[[], bool]
    ) -> None:
        self._id = answer_id
        self._on_text = on_text
        self._is_cancelled = is_cancelled
        self._finish: str | None = None
        self._usage: dict[str, Any] = {}
        self._error: dict[str, Any] | None = None

    def take(self, chunk: dict[str, Any]) -> bool:
        """One chunk; True tells the engine to stop."""
        if "error" in chunk:
            self._error = chunk["error"]
            return True
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            self._finish = choice.get("finish_reason") or self._finish
            if text := choice.get("delta", {}).get("content"):
                self._on_text(text)
        return self._is_cancelled()

    def result(self) -> Done | Fault:
        """What the chunks came to."""
        if self._error is not None:
            is_context = self._error.get("type") == "exceed_context_size_error"
            kind = "context" if is_context else "broken"
            return Fault(self._id, kind, str(self._error.get("message", "unknown error")))
        prompt_tokens = int(self._usage.get("prompt_tokens", 0))
        details: dict[str, Any] = self._usage.get("prompt_tokens_details") or {}
        cached = int(details.get("cached_tokens", 0))
        reason = "length" if self._finish == "length" else "stop"
        return Done(
            self._id,
            "cancelled" if self._is_cancelled() else reason,
            input_tokens=prompt_tokens - cached,
            output_tokens=int(self._usage.get("completion_tokens", 0)),
            cached_tokens=cached,
        )
