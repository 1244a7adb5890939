from __future__ import annotations

import os

from carapace.config.json5 import Lines, parse
from carapace.config.located import locate
from carapace.config.substitute import file_variables, substitute


def read(text):
    return locate(parse(text), "a.json", Lines(text))


def test_variables_are_put_in_anywhere():
    problems = []
    tree = substitute(read("{a: ['${X}-${Y}', 5]}"), {"X": "1", "Y": "2"}, problems)
    assert tree.plain() == {"a": ["1-2", 5]}
    found = tree.find(("a", 0))
    assert found is not None
    assert found.variables == ("X", "Y")
    assert problems == []


def test_a_doubled_dollar_is_literal():
    assert substitute(read("'$${X} ${x} $X {X}'"), {}, []).plain() == "${X} ${x} $X {X}"


def test_a_missing_or_empty_variable_is_an_error_with_place_and_name():
    problems = []
    substitute(read("{\n k: '${GONE}',\n l: '${EMPTY}'}"), {"EMPTY": ""}, problems)
    texts = [str(one.issue().message) for one in problems]
    assert texts[0].startswith("a.json:2:2: the variable GONE is missing or empty.")
    assert texts[1].startswith("a.json:3:2: the variable EMPTY is missing or empty.")
    assert [one.key for one in problems] == ["k", "l"]


def test_the_file_sets_variables_but_never_over_the_real_environment():
    tree = read("{env: {DIRECT: 'd', vars: {A: 'file', B: 'file', C: 'x${HOMES}'}, shellEnv: {}}}")
    got = file_variables(tree, {"A": "real", "B": "", "HOMES": "/h"})
    assert got == {"A": "real", "B": "file", "C": "x/h", "DIRECT": "d", "HOMES": "/h"}


def test_a_literal_in_a_variable_stays_literal():
    assert file_variables(read("{env: {vars: {A: '$${B}'}}}"), {}) == {"A": "${B}"}


def test_h04_nothing_enters_the_process_environment():
    tree = read("{env: {vars: {LD_PRELOAD: '/evil.so'}}}")
    file_variables(tree, {})
    assert "/evil.so" not in os.environ.get("LD_PRELOAD", "")


def test_odd_env_sections_set_nothing():
    assert file_variables(read("{env: 5}"), {}) == {}
    assert file_variables(read("{env: {vars: [1], N: 5}}"), {}) == {}
