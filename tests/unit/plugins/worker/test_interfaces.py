from __future__ import annotations

import re
from pathlib import Path

import pytest
from wasmtime import Engine
from wasmtime.component import Component

from carapace.plugins.contract_versions import ContractVersions
from carapace.plugins.errors import GuestError
from carapace.plugins.worker import interfaces
from carapace.plugins.worker.engine import compile_component, new_engine
from carapace.plugins.worker.interfaces import exports_of, imports_of, kept_types
from support.guests import HAZARDS, wasm

Loaded = tuple[Engine, Component]


def made(wat: str) -> Loaded:
    """A component, with the engine it was made for."""
    engine = new_engine()
    return engine, compile_component(engine, wasm(wat))


def importing(*interfaces: str) -> Loaded:
    """A component that imports one function from each of these."""
    lines = "".join(
        f'(import "{name}" (instance (export "f" (func (param "x" u32)))))' for name in interfaces
    )
    return made(f"(component {lines})")


def refusal(loaded: Loaded, grants=(), exports=()) -> str:
    with pytest.raises(GuestError) as caught:
        imports_of(*loaded, grants, exports)
    assert caught.value.code == "IMPORT_REFUSED"
    return caught.value.message


def test_what_is_granted_is_listed_with_its_functions():
    found = imports_of(*importing("carapace:plugin/kv@1.0.0"), ("kv",), ())
    assert [(one.interface, one.is_granted, one.is_wasi) for one in found] == [("kv", True, False)]
    assert list(found[0].functions) == ["f"]


@pytest.mark.parametrize(
    "name",
    [
        "carapace:plugin/kv@1.0.0",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:keyvalue/store@0.2.0",
        "wasi:io/streams@0.3.0",
        "other:plugin/kv@1.0.0",
        "carapace:plugins/kv@1.0.0",
    ],
)
def test_what_is_not_granted_is_refused_by_its_name(name):
    assert name in refusal(importing("carapace:plugin/log@1.0.0", name), ("log",))


@pytest.mark.parametrize("version", ["2.0.0", "1.1.0", "0.9.0"])
def test_a_newer_or_another_contract_is_refused(version):
    name = f"carapace:plugin/kv@{version}"
    assert "version 1.0" in refusal(importing(name), ("kv",))


def test_a_patch_of_the_contract_changes_nothing():
    found = imports_of(*importing("carapace:plugin/kv@1.0.7"), ("kv",), ())
    assert found[0].interface == "kv"


def test_a_plugin_of_an_older_minor_version_runs_on_a_newer_gateway(monkeypatch):
    monkeypatch.setattr(interfaces, "SPOKEN", ContractVersions(newest=(1, 1)))
    older = importing("carapace:plugin/kv@1.0.0")
    assert imports_of(*older, ("kv",), ())[0].name == "carapace:plugin/kv@1.0.0"
    assert exports_of(*made(HAZARDS["echo"]), ("tool",))["tool"].name.endswith("@1.0.0")
    newer = importing("carapace:plugin/kv@1.1.3")
    assert imports_of(*newer, ("kv",), ())[0].is_granted


def test_the_major_version_before_runs_and_an_older_one_is_refused(monkeypatch):
    component = made(HAZARDS["echo"])
    imports = importing("carapace:plugin/kv@1.0.0")
    spoken = ContractVersions(newest=(2, 0), before=(1, 1))
    monkeypatch.setattr(interfaces, "SPOKEN", spoken)
    assert exports_of(*component, ("tool",))["tool"].name.endswith("@1.0.0")
    assert imports_of(*imports, ("kv",), ())[0].is_granted
    spoken = ContractVersions(newest=(3, 0), before=(2, 0))
    monkeypatch.setattr(interfaces, "SPOKEN", spoken)
    assert "take a newer version of the plugin" in refusal(imports, ("kv",))
    with pytest.raises(GuestError, match=r"tool@1\.0\.0, but this gateway speaks version 3\.0 and"):
        exports_of(*component, ("tool",))


def test_interfaces_that_only_lend_types_may_be_there_but_not_be_called():
    component = importing("carapace:plugin/poll@1.0.0", "carapace:plugin/http@1.0.0")
    found = {one.interface: one for one in imports_of(*component, ("poll",), ())}
    assert found["poll"].is_granted
    assert not found["http"].is_granted
    refusal(component, ("log",))


def test_types_are_lent_over_two_steps():
    assert kept_types((), ("service",)) == {"types", "http", "websocket"}
    assert kept_types(("websocket",), ()) == {"types", "http"}
    assert kept_types(("kv",), ("tool",)) == {"types"}


def test_a_bare_function_and_a_resource_of_ours_are_refused():
    bare = made('(component (import "f" (func)))')
    resource = made(
        '(component (import "carapace:plugin/kv@1.0.0"'
        ' (instance (export "handle" (type (sub resource))))))'
    )
    assert "only interfaces" in refusal(bare)
    assert "resources" in refusal(resource, ("kv",))


def test_the_table_of_lent_types_is_that_of_the_contract():
    contract = (Path(__file__).parents[4] / "wit" / "plugin.wit").read_text("utf-8")
    lent: dict[str, tuple[str, ...]] = {}
    for block in re.split(r"^interface ", contract, flags=re.MULTILINE)[1:]:
        used = dict.fromkeys(re.findall(r"^  use ([a-z-]+)\.", block, re.MULTILINE))
        if others := tuple(one for one in used if one != "types"):
            lent[block.split(" ", 1)[0]] = others
    assert lent == interfaces._TYPES_FROM


def test_exports_are_found_by_their_short_name_and_others_left_alone():
    component = made(HAZARDS["echo"])
    found = exports_of(*component, ("tool",))
    assert found["tool"].name == "carapace:plugin/tool@1.0.0"
    assert list(found["tool"].functions) == ["invoke"]


@pytest.mark.parametrize(
    "wat",
    [
        HAZARDS["echo"].replace("carapace:plugin/tool@1.0.0", "carapace:plugin/tool@2.0.0"),
        HAZARDS["echo"].replace("carapace:plugin/tool@1.0.0", "other:plugin/tool@1.0.0"),
        "(component)",
    ],
)
def test_an_export_that_is_missing_is_named(wat):
    component = made(wat)
    with pytest.raises(GuestError, match="says it is a tool") as caught:
        exports_of(*component, ("tool",))
    assert caught.value.code == "EXPORT_MISSING"
