"""WIT text becomes values, or is refused where it stands."""

from __future__ import annotations

import pytest

from carapace.plugins.sdk.wit.syntax import Type, WitError, parse

HEAD = "package carapace:plugin@1.0.0;\n"


def test_an_interface_holds_its_types_functions_and_words():
    package = parse(
        HEAD
        + """
        /// What is kept.
        interface kv {
          /// One thing.
          record entry { key: string, revision: option<u32>, }
          variant body { empty, text(string) }
          enum level { low, high }
          flags may { read, write }
          type id = string;
          type: func(id: id) -> result<list<entry>, body>;
          none: func();
        }
        """
    )
    kv = package.interfaces["kv"]
    assert kv.docs == "What is kept."
    assert {name: each.kind for name, each in kv.definitions.items()} == {
        "entry": "record",
        "body": "variant",
        "level": "enum",
        "may": "flags",
        "id": "type",
    }
    assert kv.definitions["entry"].docs == "One thing."
    assert str(kv.functions["type"].result) == "result<list<entry>, body>"
    assert kv.functions["none"].result is None
    assert package.interface_id("kv") == "carapace:plugin/kv@1.0.0"


def test_a_used_type_is_found_where_it_is_defined():
    package = parse(
        HEAD
        + "interface types { record error { code: string } }"
        + "interface a { use types.{error as fault}; f: func() -> result<_, fault>; }"
    )
    owner, definition = package.resolve("a", "fault")
    assert (owner, definition.name) == ("types", "error")


def test_a_world_names_what_it_imports_and_exports():
    package = parse(HEAD + "interface a { f: func(); } world w { import a; export a; }")
    assert package.worlds["w"].imports == ("a",)
    assert package.worlds["w"].exports == ("a",)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("result", "result"),
        ("result<string>", "result<string>"),
        ("result<_, string>", "result<_, string>"),
        ("tuple<u8, bool>", "tuple<u8, bool>"),
        ("option<list<string>>", "option<list<string>>"),
    ],
)
def test_types_are_written_as_they_were_read(written: str, shown: str):
    package = parse(HEAD + f"interface a {{ f: func() -> {written}; }}")
    assert str(package.interfaces["a"].functions["f"].result) == shown


def test_words_of_the_language_may_be_names_with_a_percent_sign():
    package = parse(HEAD + "interface a { %record: func(%enum: string); }")
    assert package.interfaces["a"].functions["record"].parameters[0].name == "enum"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("interface a {\n resource r; }", "line 3: the contract may not use resource"),
        ("interface a { f: async func(); }", "async"),
        ("interface a { f: func() -> stream<u8>; }", "stream"),
        ("interface a { f: func(x: missing); }", "interface a knows no type missing"),
        ("interface a { use b.{c}; }", "interface b knows no type c"),
        ("interface a { record r { } }", "record r has nothing in it"),
        ("interface a { f: func(x: list); }", "list of what?"),
        ("interface a { f: func(x: option<u8, u8>); }", "option takes 1, not 2"),
        ("interface a { f func(); }", "expected ':', found 'func'"),
        ("interface a { f: func()", "expected ';', found 'the end'"),
        ("interface a { 7: func(); }", "expected a name, found '7'"),
        ("interface a {} interface a {}", "no new interface or world: interface a"),
        ("world w { include a; }", "a world may import and export, not include"),
        ("interface a { § }", "line 2: '§' is no part of WIT"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, why: str):
    with pytest.raises(WitError) as caught:
        parse(HEAD + text)
    assert why in str(caught.value)


def test_a_type_without_arguments_is_its_name():
    assert str(Type("string")) == "string"
