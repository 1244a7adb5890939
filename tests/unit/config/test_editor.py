from __future__ import annotations

import pytest

from carapace.config.editor import EditError, set_value, unset_value
from carapace.config.json5 import parse

FILE = """// head
{
  gateway: { port: 1, auth: {} }, // behind
  /* before list */
  list: [
    'a', // first
    'b'
  ],
  empty: {
    // only a comment
  },
}
// tail
"""

SETS = [
    (FILE, ("gateway", "port"), 2, "{ port: 2, auth: {} }"),
    (FILE, ("gateway", "bind"), "lan", 'auth: {}, bind: "lan" }, // behind'),
    (FILE, ("list", 2), "c", "    'b',\n    \"c\"\n  ]"),
    (FILE, ("list", 0), "A", '    "A", // first'),
    (FILE, ("empty", "x"), 1, "    // only a comment\n    x: 1\n  },"),
    (FILE, ("new", "deep"), [1], '  },\n  new: {\n    "deep": [\n      1\n    ]\n  },\n}'),
    ('{"a": 1}', ("b",), 2, '{"a": 1, "b": 2}'),
    ("{a: 1}", ("b-c",), 2, '{a: 1, "b-c": 2}'),
    ("{a: 1}", ("a", "b"), 2, '{a: {\n  "b": 2\n}}'),
    ("{\n\ta: 1 // x\n}", ("b",), 2, "{\n\ta: 1, // x\n\tb: 2\n}"),
    ("", ("a",), 1, '{\n  "a": 1\n}\n'),
    ("{}", ("a",), True, '{\n  "a": true\n}'),
    ("{ a: [ ] }", ("a", 0), 1, "{ a: [\n  1\n] }"),
    ("{a: 1, a: 2}", ("a",), 3, "{a: 1, a: 3}"),
    ("{\n  a: 1,\n  b: 2}", ("c",), 3, "{\n  a: 1,\n  b: 2,\n  c: 3\n}"),
    ("{a: [1]}", ("a", "0"), 2, "{a: [2]}"),
]


@pytest.mark.parametrize(("text", "key", "value", "part"), SETS)
def test_a_value_is_set_in_the_style_of_the_file(text, key, value, part):
    after = set_value(text, key, value)
    assert part in after
    here = parse(after).plain()
    for name in key:
        here = here[int(name) if isinstance(here, list) else name]
    assert here == value


@pytest.mark.parametrize(("text", "key", "value", "_part"), SETS[:6])
def test_no_comment_is_lost(text, key, value, _part):
    after = set_value(text, key, value)
    for comment in ("// head", "// behind", "/* before list */", "// first", "// only", "// tail"):
        assert comment in after


def test_an_object_over_an_object_changes_only_what_differs():
    text = "{a: {x: 1, /* keep */ y: 2, z: true}}"
    after = set_value(text, ("a",), {"x": 1, "y": 3, "w": 4, "z": 1})
    assert parse(after).plain() == {"a": {"x": 1, "y": 3, "z": 1, "w": 4}}
    assert "/* keep */" in after


@pytest.mark.parametrize(("key", "count"), [(("l", 5), 1), (("l", "x"), 1)])
def test_a_list_cannot_be_set_beyond_its_end(key, count):
    with pytest.raises(EditError, match=f"l has {count} items"):
        set_value("{l: [1]}", key, 1)


def test_only_an_object_can_be_edited():
    with pytest.raises(EditError, match="does not hold an object"):
        set_value("[1]", ("a",), 1)


UNSETS = [
    ("{a: 1, b: 2, c: 3}", ("b",), "{a: 1,  c: 3}"),
    ("{a: 1, b: 2}", ("b",), "{a: 1 }"),
    ("{a: 1}", ("a",), "{}"),
    ("{\n  a: 1,\n  b: 2,\n}", ("b",), "{\n  a: 1,\n}"),
    ("{\n  a: 1,\n  b: 2\n}", ("b",), "{\n  a: 1\n}"),
    ("{\n  a: 1, // note\n  b: 2\n}", ("a",), "{\n   // note\n  b: 2\n}"),
    ("{a: 1 /* n */ , b: 2}", ("a",), "{ /* n */ b: 2}"),
    ("{l: [1, 2, 3]}", ("l", 1), "{l: [1,  3]}"),
    ("{a: 1, a: 2}", ("a",), "{}"),
    ("{o: {a: 1}}", ("o", "a"), "{o: {}}"),
]


@pytest.mark.parametrize(("text", "key", "after"), UNSETS)
def test_a_value_is_removed_with_its_comma(text, key, after):
    got = unset_value(text, key)
    assert parse(got).plain() == parse(after).plain()
    assert "".join(got.split()) == "".join(after.split())


@pytest.mark.parametrize("key", [("x",), ("a", "b"), ("l", 3), ("x", "y", "z")])
def test_what_is_not_there_cannot_be_removed(key):
    with pytest.raises(EditError, match="is not in the file"):
        unset_value("{a: 1, l: [1]}", key)


def test_the_whole_file_is_not_removed():
    with pytest.raises(EditError, match="name a key"):
        unset_value("{}", ())
