"""The C glue has names as an author expects them; built plugins show that it works."""

from __future__ import annotations

import re

import pytest

from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.wit import c_glue
from carapace.plugins.sdk.wit.syntax import WitError, parse


def test_what_the_plugin_must_define_is_declared():
    text = c_glue.header(contract(), ("kv",), ("manifest", "tool"))
    assert "carapace_manifest_info plugin_manifest_describe(void);" in text
    assert re.search(
        r"plugin_tool_invoke\(carapace_string name, carapace_string parameters\);", text
    )
    assert "plugin_channel" not in text


def test_imports_are_functions_of_structs():
    text = c_glue.header(contract(), ("kv", "inbound"), ("manifest",))
    assert (
        "static inline carapace_result_option_kv_entry_types_error carapace_kv_get("
        "carapace_string key)" in text
    )
    # A message has more parts than go as parameters.
    assert "parameters = {message};" in text
    assert "carapace_kv_compare_and_set" in text


def test_every_export_has_its_glue_and_gives_its_memory_back():
    names = contract().worlds["everything"].exports
    text = c_glue.source(contract(), names)
    for name in names:
        for function in contract().interfaces[name].functions:
            core = f"carapace:plugin/{name}@1.0.0#{function}"
            assert f'export_name("{core}")' in text
            assert f'export_name("cabi_post_{core}")' in text


def test_numbers_flags_and_direct_results():
    package = parse(
        """package carapace:plugin@1.0.0;
        interface i {
          flags few { a, b }
          flags some { a0, a1, a2, a3, a4, a5, a6, a7, a8 }
          record r { default: few, more: some, pair: tuple<u8, f32> }
          count: func(x: option<f64>) -> u32;
          sum: func(r: r) -> f64;
        }"""
    )
    text = c_glue.header(package, ("i",), ())
    assert "typedef uint8_t carapace_i_few;" in text
    assert "typedef uint16_t carapace_i_some;" in text
    assert "carapace_i_few default_;" in text
    assert (
        "return (uint32_t)carapace_raw_i_count(x.is_some, (x.is_some == 1 ? x.value : 0));" in text
    )
    source = c_glue.source(package, ("i",))
    assert "double carapace_export_i_sum(uint32_t a0, uint32_t a1, uint32_t a2, float a3)" in source
    assert "r.pair.f0 = (uint8_t)a2;" in source


def test_what_the_contract_has_not_is_refused_rather_than_wrong():
    package = parse(
        "package a:b@1.0.0; interface i { variant v { x(u32), y(f64) } f: func(v: v); }"
    )
    with pytest.raises(WitError, match="cases of unlike core types"):
        c_glue.header(package, ("i",), ())
