from __future__ import annotations

import os
import sys

import pytest
from wasmtime import Config, Engine
from wasmtime.component import Component

from carapace.plugins.frames import WorkerLimits
from carapace.plugins.worker.engine import (
    InvalidComponent,
    compile_component,
    load_component,
    new_engine,
    new_store,
)
from support.guests import HAZARDS, hazard, wasm

TWO_MEMORIES = """(component (core module $m (memory 1) (memory 1)
  (func (export "f") (memory.copy 0 1 (i32.const 0) (i32.const 0) (i32.const 8))))
  (core instance (instantiate $m)))"""


def loaded(path) -> Component:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return load_component(new_engine(), descriptor)
    finally:
        os.close(descriptor)


def test_code_is_loaded_from_an_open_file():
    engine = new_engine()
    assert list(loaded(hazard("echo")).type.exports(engine)) == [
        "carapace:plugin/tool@1.0.0",
        "carapace:plugin/manifest@1.0.0",
    ]


def test_elsewhere_the_same_file_is_read(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert loaded(hazard("echo")).type is not None


def test_code_made_under_other_settings_is_refused(tmp_path):
    config = Config()
    config.wasm_component_model = True
    other = Engine(config)
    path = tmp_path / "other.cwasm"
    path.write_bytes(Component(other, wasm(HAZARDS["echo"])).serialize())
    with pytest.raises(InvalidComponent, match=r"\w"):
        loaded(path)


def test_what_is_no_component_is_refused_with_one_line():
    with pytest.raises(InvalidComponent) as caught:
        compile_component(new_engine(), b"nothing of the kind")
    assert "\n" not in str(caught.value)


def test_a_component_with_two_memories_does_not_end_the_process():
    assert compile_component(new_engine(), wasm(TWO_MEMORIES)).type is not None


def test_threads_and_64_bit_memories_are_refused():
    for module in ("(memory 1 1 shared)", "(memory i64 1)"):
        with pytest.raises(InvalidComponent):
            compile_component(new_engine(), wasm(f"(component (core module {module}))"))


def test_a_store_has_the_limits_it_was_given():
    store = new_store(new_engine(), WorkerLimits(memory_bytes=65536, value_bytes=10))
    store.set_epoch_deadline(1)
    store.close()
