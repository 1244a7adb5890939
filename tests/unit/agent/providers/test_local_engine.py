from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from carapace.agent.providers.local_engine import LlamaEngine
from carapace.agent.providers.local_wire import ChatMessage, Done, Fault, Generate, Start

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def text(content, finish=None):
    return {"choices": [{"delta": {"content": content}, "finish_reason": finish}]}


@pytest.fixture
def library(monkeypatch):
    """The package's surface that we use; its real behaviour is in the contract suite."""

    class Server:
        chunks: list = []  # noqa: RUF012 - set by each test
        body: dict = {}  # noqa: RUF012 - as above
        params = None

        def __init__(self, params):
            type(self).params = params

        def handle_chat_completions(self, body, callback):
            type(self).body = body
            for chunk in self.chunks:
                if callback(chunk):
                    return

    def params():
        return SimpleNamespace(
            model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace()
        )

    package = SimpleNamespace(
        CommonParams=params, Server=Server, json_schema_to_grammar=lambda schema: f"G{schema}"
    )
    monkeypatch.setitem(sys.modules, "xllamacpp", package)
    return Server


def run(library, chunks, *, cancelled=False, schema=None):
    library.chunks = chunks
    engine = LlamaEngine(Start("/m.gguf", 512, 2, "chatml"))
    said: list[str] = []
    request = Generate(3, (ChatMessage("user", "x"),), 9, 0.5, 1, schema)
    return engine.generate(request, said.append, lambda: cancelled), said


def test_the_listener_that_cannot_be_turned_off_has_a_key_and_no_pages(library):
    run(library, [])
    params = library.params
    assert len(params.api_keys[0]) >= 40
    assert params.ui is False
    assert params.endpoint_slots is False
    assert (params.model.path, params.n_ctx, params.chat_template) == ("/m.gguf", 512, "chatml")
    assert (params.cpuparams.n_threads, params.cpuparams_batch.n_threads) == (2, 2)


def test_a_file_keeps_its_own_template(library):
    LlamaEngine(Start("/m.gguf", 512, 2))
    assert not hasattr(library.params, "chat_template")


def test_text_and_usage_come_out(library):
    chunks = [text(None), text("a"), text("b", "stop"), {"choices": [], "usage": USAGE}]
    done, said = run(library, chunks)
    assert said == ["a", "b"]
    assert done == Done(3, "stop", input_tokens=6, output_tokens=2, cached_tokens=4)
    assert library.body["id_slot"] == 1
    assert library.body["max_tokens"] == 9


def test_length_and_cancel_are_told_apart(library):
    assert run(library, [text("a", "length")])[0] == Done(3, "length")
    done, said = run(library, [text("a"), text("b")], cancelled=True)
    assert (done, said) == (Done(3, "cancelled"), ["a"])


def test_errors_are_faults(library):
    error = {"type": "exceed_context_size_error", "message": "too long"}
    assert run(library, [{"error": error}])[0] == Fault(3, "context", "too long")
    assert run(library, [{"error": {}}])[0] == Fault(3, "broken", "unknown error")


def test_a_schema_becomes_a_grammar_without_indentation(library):
    run(library, [], schema={"type": "object"})
    schema = json.loads(library.body["grammar"].removeprefix("G"))
    assert schema == {"type": "object", "x-guidance": {"whitespace_flexible": False}}


def test_a_missing_package_is_an_import_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ImportError):
        LlamaEngine(Start("/m.gguf", 512, 2))
