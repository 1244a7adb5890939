"""Patterns of the approvals document, against commands of any shape."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.exec.allowing import is_allowed
from carapace.agent.exec.types import Command

PROGRAM = Path("/usr/bin/true").resolve()
arguments = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=3)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def command(given: list[str], digest: str = "ab") -> Command:
    return Command(
        argv=("true", *given),
        path=PROGRAM,
        cwd=Path("/w"),
        env={},
        digest=digest,
        is_script=False,
        is_carrier=False,
    )


@given(arguments, arguments)
def test_a_list_allows_its_own_arguments_and_no_others(given: list[str], listed: list[str]):
    pattern = json.dumps([str(PROGRAM), *listed])
    assert is_allowed(command(given), [pattern]) is (given == listed)


@given(arguments, st.sampled_from(["", "*", "**", "/", "?", "[a-z]"]), texts)
def test_no_text_around_a_path_allows_more_than_the_path(given: list[str], glob: str, rest: str):
    for pattern in (f"{PROGRAM}{glob}{rest}", f"{glob}{rest}{PROGRAM}", glob + rest, rest):
        is_itself = pattern.startswith("/") and Path(pattern).resolve() == PROGRAM
        if is_allowed(command(given), [pattern]):
            assert is_itself
            assert given == []
