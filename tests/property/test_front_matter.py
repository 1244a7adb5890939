"""Heads of skills: every text is read or refused in words, and what is written is read back."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapace.agent.skills.declaration import declare
from carapace.agent.skills.front_matter import FrontMatterError, split_front_matter
from carapace.agent.skills.types import SkillSource

pytestmark = pytest.mark.slow
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9 .,:/-]{0,30}[A-Za-z0-9]", fullmatch=True)
TREES: st.SearchStrategy[Any] = st.recursive(
    WORDS | st.booleans(),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=4,
)
PIECES = st.sampled_from(
    [
        *("---", "name: a", "description: b", "- x", "  - y: z", "  k:", "{", "}", "[", "|", ">-"),
        *('"', "'", "\t", "#", "&a", "*a", "!!x", "<<: *a", "metadata: {", "  deep:", ": ", ""),
    ]
)


def written(value: Any, indent: int = 0) -> str:
    """A tree as block YAML with quoted texts."""
    pad = " " * indent
    if isinstance(value, dict):
        return "\n".join(f"{pad}{key}:{_below(one, indent)}" for key, one in value.items())
    if isinstance(value, list):
        return "\n".join(f"{pad}-{_below(one, indent)}" for one in value)
    return json.dumps(value)


def _below(value: Any, indent: int) -> str:
    if isinstance(value, dict | list):
        return "\n" + written(value, indent + 2)
    return f" {json.dumps(value)}" if isinstance(value, str) else f" {str(value).lower()}"


@settings(max_examples=40)
@given(st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
def test_what_is_written_in_blocks_is_read_back(tree: dict[str, Any]) -> None:
    head, body = split_front_matter(f"---\n{written(tree)}\n---\nBody.")
    assert head == tree
    assert body == "Body."


@settings(max_examples=40)
@given(st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
def test_what_is_written_as_json_is_read_back(tree: dict[str, Any]) -> None:
    lines = json.dumps({"m": tree}, indent=2)[1:-1]
    assert split_front_matter(f"---\nm: {json.dumps(tree)}\n---\n")[0] == {"m": tree}
    assert split_front_matter(f"---\nm:\n  {{{lines}}}\n---\n")[0] == {"m": {"m": tree}}


@given(st.lists(PIECES, max_size=12) | st.lists(st.text(max_size=20), max_size=8))
def test_whatever_stands_there_is_a_skill_or_refused_in_words(lines: list[str]) -> None:
    with suppress(FrontMatterError):
        text = "\n".join(["---", *lines, "---", "x"])
        skill = declare(text, Path("/s/a"), SkillSource.EXTRA, system="linux")
        assert "\n" not in skill.name + skill.description
        assert len(skill.description) <= 1_024
