"""The JSON of plugins in C reads and writes any text as Python's does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st
from wasmtime import component as components

from carapace.plugins.frames import WorkerLimits
from carapace.plugins.sdk.build import build
from carapace.plugins.sdk.new import create
from carapace.plugins.sdk.project import open_project
from carapace.plugins.worker.quirks import set_max_string_bytes

pytestmark = pytest.mark.slow

Member = Callable[[str, str], str | None]

SOURCE = """
#include "carapace_plugin.h"

carapace_manifest_info plugin_manifest_describe(void) {
  return (carapace_manifest_info){CARAPACE_STRING("x"), CARAPACE_STRING("1")};
}

carapace_list_tool_definition plugin_tool_definitions(void) {
  return (carapace_list_tool_definition){0, 0};
}

carapace_result_string_types_error plugin_tool_invoke(carapace_string name,
                                                      carapace_string parameters) {
  carapace_string found;
  if (!carapace_json_text(parameters, name, &found))
    return (carapace_result_string_types_error){.is_error = true};
  return (carapace_result_string_types_error){.value.ok = carapace_json_quote(found)};
}
"""
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
STYLES = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 1])}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Member:
    """A member's text as the C library reads it, quoted by the C library; None if it refuses."""
    folder = tmp_path_factory.mktemp("reader")
    project = open_project(create(folder / "reader", language="c"))
    project.main.write_text(SOURCE)
    data = build(project).read_bytes()
    config = wasmtime.Config()
    config.wasm_component_model = True
    engine = wasmtime.Engine(config)
    component = components.Component(engine, data)
    store, linker = wasmtime.Store(engine), components.Linker(engine)
    linker.define_unknown_imports_as_traps(component)
    instance = linker.instantiate(store, component)
    outer = instance.get_export_index(store, "carapace:plugin/tool@1.0.0")
    index = instance.get_export_index(store, "invoke", outer)
    assert index is not None
    invoke = instance.get_func(store, index)
    assert invoke is not None

    def ask(name: str, whole: str) -> str | None:
        # A test before this one may have left a worker's smaller limit in the process.
        set_max_string_bytes(WorkerLimits().value_bytes)
        found: Any = invoke(store, name, whole)
        # Bare, or in a variant: tests of the worker change the library for their process.
        text = getattr(found, "payload", found)
        return text if isinstance(text, str) else None

    return ask


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, st.dictionaries(TEXTS, VALUES, max_size=4), STYLES)
def test_a_member_is_found_among_others(
    member: Member, name: str, text: str, others: dict[str, Any], style: dict[str, Any]
):
    others.pop(name, None)
    whole = json.dumps({**others, name: text}, **style)
    quoted = member(name, whole)
    assert quoted is not None
    assert json.loads(quoted) == text


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_not_there_or_no_text_is_not_found(
    member: Member, name: str, others: dict[str, Any]
):
    if isinstance(others.get(name), str):
        others[name] = 1
    assert member(name, json.dumps(others)) is None


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.text(alphabet='{}[]",:\\u0123456789abcdef d8\n', max_size=40))
def test_broken_json_is_read_within_its_bounds(member: Member, name: str, text: str):
    found = member(name, text)
    assert found is None or isinstance(json.loads(found), str)


def test_half_a_pair_is_the_replacement_character(member: Member):
    assert json.loads(member("a", r'{"a": "x\ud83dy"}') or "") == "x\ufffdy"
    assert json.loads(member("a", r'{"a": "\ud83d\ude00"}') or "") == "\U0001f600"
