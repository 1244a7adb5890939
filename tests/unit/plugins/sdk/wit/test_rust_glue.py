"""The crate has names as an author expects them, and all of it can be compiled and linked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.sdk.build import build
from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.project import open_project
from carapace.plugins.sdk.wit import rust_glue
from carapace.plugins.sdk.wit.syntax import parse

EVERYTHING = """id = "everything"
version = "1.0.0"
name = "Everything"
wit = "1.0"
roles = ["channel", "webhook", "tool", "service", "hooks", "setup"]

[permissions]
http = ["GET https://a.example/**"]
websocket = ["wss://a.example/**"]
credentials = ["token"]
hooks = ["message_sending"]
media = true
inbound = true
timers = true
poll = true
crypto = true
agent = true
kv_max_bytes = 1024
"""


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_imports_are_functions_and_exports_are_a_trait():
    text = one_line(rust_glue.crate(contract(), ("kv", "log"), ("manifest", "tool")))
    assert "pub fn get(key: &str) -> Res<Opt<kv::Entry>, types::Error> {" in text
    assert "pub const WARN: Self = Self(2);" in text
    assert "pub trait Guest { fn describe() -> manifest::Info; }" in text
    assert "fn invoke(name: &str, parameters: &str) -> Res<Str, types::Error>;" in text
    assert "$crate::Res<$crate::Str, $crate::types::Error>" in text
    assert "channel" not in text


def test_structs_go_by_address_through_c():
    text = one_line(rust_glue.shims(contract(), ("kv",), ("manifest",)))
    assert "*carapace_out = carapace_kv_get(*key);" in text
    assert "carapace_rust_export_manifest_describe(&carapace_out);" in text


def test_numbers_flags_tuples_and_names_that_are_words_of_rust():
    package = parse(
        """package carapace:plugin@1.0.0;
        interface i {
          flags few { a, b }
          flags some { a0, a1, a2, a3, a4, a5, a6, a7, a8 }
          variant v { nothing-at-all, match(u32), text(string) }
          variant bare { one, two }
          record r { type: few, more: some, pair: tuple<u8, f32> }
          count: func(x: option<f64>) -> u32;
          sum: func(r: r, v: v, bare: bare) -> f64;
          go: func();
        }"""
    )
    text = one_line(rust_glue.crate(package, ("i",), ()))
    assert "pub struct Few(pub u8);" in text
    assert "pub const B: Self = Self(1 << 1);" in text
    assert "pub struct Some(pub u16);" in text
    assert "pub r#type: i::Few," in text
    assert "pub pair: Tuple2<u8, f32>," in text
    assert "pub fn r#match(value: u32) -> Self {" in text
    assert "Self { tag: Self::NOTHING_AT_ALL, value: VValue { nothing: () } }" in text
    assert "pub fn one() -> Self { Self { tag: Self::ONE } }" in text
    assert "pub fn count(x: Opt<f64>) -> u32 {" in text
    assert "pub fn go() {" in text


def nothing_done(crate: str) -> str:
    """A plugin that defines every function of every trait and does nothing."""
    lines = ["use carapace_plugin::*;", "struct Plugin;", "export!(Plugin);"]
    for module, body in re.findall(r"pub mod (\S+) \{(.*?)\n\}", crate, re.DOTALL):
        trait = re.search(r"pub trait Guest \{(.*?)\n    \}", body, re.DOTALL)
        if trait is not None:
            functions = trait[1].replace(";", " { todo!() }")
            lines.append(f"impl {module}::Guest for Plugin {{{functions}\n}}")
    return "\n".join(lines)


@pytest.mark.slow
def test_all_of_the_contract_is_compiled_and_linked(tmp_path: Path):
    (tmp_path / "plugin.toml").write_text(EVERYTHING)
    (tmp_path / "app.rs").write_text("")
    project = open_project(tmp_path)
    crate = rust_glue.crate(contract(), project.imports, project.exports)
    (tmp_path / "app.rs").write_text(nothing_done(crate))
    try:
        component = build(project).read_bytes()
    except Refused as refused:
        if "which is not here" not in refused.message:
            raise
        pytest.skip(refused.message)
    for name in ("channel", "webhook", "tool", "service", "hooks", "setup"):
        assert f"carapace:plugin/{name}@1.0.0".encode() in component
