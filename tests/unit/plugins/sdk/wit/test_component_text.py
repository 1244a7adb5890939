"""The component around a C module imports and exports what its world says, and loads."""

from __future__ import annotations

import wasmtime
from wasmtime import component as components

from carapace.plugins.sdk.assemble import with_core_module
from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.wit.component_text import component_text

CORE = """(module
  (import "carapace:plugin/log@1.0.0" "emit" (func $emit (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "hi")
  (data (i32.const 16) "\\00\\00\\00\\00\\02\\00\\00\\00\\00\\00\\00\\00\\02\\00\\00\\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
  (func (export "carapace:plugin/manifest@1.0.0#describe") (result i32)
    (call $emit (i32.const 2) (i32.const 0) (i32.const 2)) i32.const 16)
  (func (export "cabi_post_carapace:plugin/manifest@1.0.0#describe") (param i32)))
"""


def test_a_call_passes_both_ways():
    config = wasmtime.Config()
    config.wasm_component_model = True
    engine = wasmtime.Engine(config)
    text = component_text(contract(), ("log",), ("manifest",))
    data = with_core_module(bytes(wasmtime.wat2wasm(text)), bytes(wasmtime.wat2wasm(CORE)))
    component = components.Component(engine, data)
    assert list(component.type.imports(engine)) == ["carapace:plugin/log@1.0.0"]
    said: list[object] = []
    store, linker = wasmtime.Store(engine), components.Linker(engine)
    with (
        linker.root() as root,
        root.add_instance("carapace:plugin/log@1.0.0") as instance,
    ):
        instance.add_func("emit", lambda _store, *given: said.append(given))
    made = linker.instantiate(store, component)
    index = made.get_export_index(store, "carapace:plugin/manifest@1.0.0")
    found = made.get_export_index(store, "describe", index)
    assert found is not None
    describe = made.get_func(store, found)
    assert describe is not None
    info = describe(store)
    assert (info.id, info.version) == ("hi", "hi")
    assert said == [("warn", "hi")]


def test_everything_of_the_contract_can_be_said():
    world = contract().worlds["everything"]
    text = component_text(contract(), world.imports, world.exports)
    data = bytes(wasmtime.wat2wasm(text))
    for name in (*world.imports, *world.exports):
        assert f"carapace:plugin/{name}@1.0.0".encode() in data


def test_a_world_without_imports_needs_no_table_entries():
    assert bytes(wasmtime.wat2wasm(component_text(contract(), (), ("manifest",))))
