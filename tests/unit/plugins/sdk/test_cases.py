"""Cases say in any language what a plugin must answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.sdk.cases import Case, difference, load_cases


def test_a_project_without_cases_has_none(tmp_path: Path):
    assert load_cases(tmp_path).case == []


def test_a_file_says_calls_and_what_the_host_knows(tmp_path: Path):
    (tmp_path / "cases.toml").write_text(
        "[host.config]\ngreeting = 'Hi'\n[[host.http]]\nurl = 'https://a.example/'\n"
        "[[case]]\nname = 'n'\ncall = 'tool.invoke'\narguments = ['greet', '{}']\ngives = 1\n"
    )
    cases = load_cases(tmp_path)
    assert cases.host.config == {"greeting": "Hi"}
    assert cases.host.http[0].method == "GET"
    assert cases.case[0].target == ("tool", "invoke")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[case]]\nname = 'n'\n", "call"),
        ("[[case]]\nname = 'n'\ncall = 'tool'\n", "write call as in tool.invoke"),
        ("wrong", "cases.toml"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, why: str):
    (tmp_path / "cases.toml").write_text(text)
    with pytest.raises(Refused, match=why):
        load_cases(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "value", "trouble"),
    [
        ({}, "anything", None),
        ({"gives": 1}, 1, None),
        ({"gives": '{"a": 1}'}, '{"a":1}', None),
        ({"gives": "no json"}, "other", 'gave "other", not "no json"'),
        ({"gives": 1}, None, "gave null, not 1"),
        ({"includes": {"status": 200}}, {"status": 200, "body": 1}, None),
        ({"includes": {"status": 200}}, {"status": 404}, "gave status = 404, not 200"),
        ({"includes": {"status": 200}}, [], "gave [], which has no members"),
        ({"fails": "not-found"}, 1, "gave 1, should fail with not-found"),
    ],
)
def test_a_difference_is_told(wanted: dict[str, object], value: object, trouble: str | None):
    assert difference(Case("n", "a.b", **wanted), value) == trouble  # pyright: ignore[reportArgumentType] - rows of a table
