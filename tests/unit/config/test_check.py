from __future__ import annotations

import pytest

from carapace.config.check import check, modernise
from carapace.config.json5 import Lines, parse
from carapace.config.located import Located, locate
from carapace.config.substitute import substitute


def read(text):
    return locate(parse(text), "a.json", Lines(text))


def problems(text):
    return [one.message for one in check(read(text)).problems]


def warnings(text):
    return [one.message for one in check(read(text)).warnings]


def test_all_misfits_are_found_each_with_its_place():
    found = check(read('{gateway: {port: "80",\n bind: "loopbak"}, models: 3}')).problems
    assert [str(one.place) for one in found] == ["a.json:1:12", "a.json:2:2", "a.json:2:20"]
    assert [one.message for one in found] == [
        (
            'gateway.port: expected a whole number from 1 to 65535, found "80". '
            "Write it without quotes."
        ),
        (
            'gateway.bind: expected one of "loopback", "lan", "tailnet", "auto", "custom", '
            'found "loopbak". Did you mean "loopback"?'
        ),
        "models: expected an object, found 3. Write an object in braces.",
    ]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('{gateway: {trustedProxies: "10.0.0.1"}}', "Put it in brackets."),
        ("{gateway: {customBindHost: 5}}", "Put it in quotes."),
        ("{gateway: {port: 70000}}", "Correct the value."),
        ("{gateway: {bind: 5}}", "Choose one of them."),
        ('{gateway: {tls: {enabled: "yes"}}}', "Write it without quotes."),
        ("{models: {providers: {x: {models: [{}]}}}}", "Write text of 1 to 256 characters there."),
        ("[]", "Write an object in braces."),
    ],
)
def test_each_misfit_says_how_to_mend_it(text, end):
    assert problems(text)[0].endswith(end)


def test_null_is_fine_only_where_there_is_no_value_by_default():
    assert (
        problems("{gateway: {auth: {token: null}}, agents: {list: [{id: 'a', model: null}]}}") == []
    )
    assert len(problems("{gateway: {port: null}}")) == 1


def test_a_secret_of_the_wrong_type_is_not_repeated():
    assert problems("{gateway: {auth: {token: 987654}}}") == [
        "gateway.auth.token: expected text. Correct the value."
    ]


def test_the_value_of_a_variable_is_not_repeated():
    tree = substitute(read('{gateway: {port: "${P}"}}'), {"P": "hunter2"}, [])
    message = check(tree).problems[0].message
    assert "${P}" in message
    assert "hunter2" not in message


def test_an_unknown_key_warns_with_a_suggestion():
    assert warnings("{gateway: {prot: 1}}") == [
        "gateway.prot is no known setting and has no effect. Did you mean gateway.port?"
    ]


def test_a_key_in_the_wrong_section_is_pointed_to_the_right_one():
    assert warnings("{trustedProxies: []}") == [
        "trustedProxies is no known setting and has no effect. Did you mean gateway.trustedProxies?"
    ]


def test_a_key_like_nothing_known_gets_no_suggestion():
    assert warnings("{zzqqxx: 1}") == ["zzqqxx is no known setting and has no effect."]


def test_keys_of_the_node_gateway_warn_once_and_never_fail():
    text = "{talk: {token: 5, a: []}, commands: {native: {b: 1}}, session: {reset: 'x'}}"
    assert problems(text) == []
    assert warnings(text) == [
        "talk is known to the Node gateway and has no effect here yet",
        "commands.native is known to the Node gateway and has no effect here yet",
        "session.reset is known to the Node gateway and has no effect here yet",
    ]


def test_names_that_nobody_knows_are_listed_apart():
    found = check(read("{gateway: {prot: 1, port: 'x'}, talk: {}, agents: {list: [{qqzz: 1}]}}"))
    assert found.unknown == {
        ("gateway", "prot"): " Did you mean gateway.port?",
        ("agents", "list", 0, "qqzz"): "",
    }


def test_stamps_and_variables_are_silent():
    assert warnings("{$schema: 'x', meta: {lastTouchedAt: 'y'}, env: {KEY: 'v'}}") == []


def test_a_model_may_be_written_as_a_text():
    tree = modernise(
        read("{agents: {defaults: {model: 'a/b'}, list: [{id: 'x', model: 'c/d'}, 5]}}")
    )
    assert tree.plain() == {
        "agents": {
            "defaults": {"model": {"primary": "a/b"}},
            "list": [{"id": "x", "model": {"primary": "c/d"}}, 5],
        }
    }


def test_newer_spellings_are_left_alone():
    text = "{agents: {defaults: {model: {primary: 'a/b'}}, list: 5}}"
    tree = modernise(read(text))
    assert isinstance(tree, Located)
    assert tree.plain() == read(text).plain()
