"""The memory tools' rows."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.approval import Risk
from carapace.agent.tools.memory import TOOLS, _shown
from carapace.agent.tools.memory_records import Memory
from carapace.provenance import Authority, Origin


def test_only_what_changes_the_memory_counts_as_writing():
    writing = {name for name, row in TOOLS.items() if row.risk is Risk.WRITE}
    assert writing == {"memory_write", "memory_forget"}


def _entry(authority: Authority, origin: Origin) -> Memory:
    return Memory("name", 'say "yes"', 1, authority, origin)


def test_the_owners_words_are_shown_as_they_are():
    for origin in (Origin.OPERATOR, Origin.CHANNEL, Origin.HTTP):
        assert _shown(_entry(Authority.OWNER, origin)) == '[name]\nsay "yes"'


@pytest.mark.parametrize(
    ("authority", "origin"),
    [
        (Authority.PAIRED, Origin.CHANNEL),
        (Authority.GUEST, Origin.CHANNEL),
        (Authority.OUTSIDE, Origin.CHANNEL),
        (Authority.OWNER, Origin.HOOK),
        (Authority.OWNER, Origin.SESSION),
    ],
)
def test_words_of_others_are_quoted_and_said_to_be_that(authority: Authority, origin: Origin):
    head, _, quoted = _shown(_entry(authority, origin)).partition("\n")
    assert "from outside" in head
    assert msgspec.json.decode(quoted) == {"name": "name", "text": 'say "yes"'}
