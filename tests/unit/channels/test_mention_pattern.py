from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.channels import mention_pattern
from carapace.channels.mention_pattern import BadPatternError, MentionPattern

MATCHES = [
    ("clawd", "hey CLAWD!", True),
    ("clawd", "claw d", False),
    (r"\bclawd\b", "clawdia", False),
    (r"\bclawd\b", "(clawd)", True),
    (r"\Bawd", "clawd", True),
    (r"\Bclawd", "clawd", False),
    (r"^hey", "hey you", True),
    (r"^hey", "oh hey", False),
    (r"you$", "hey you", True),
    (r"you$", "you there", False),
    (r"@?open(claw|bot)s*", "an OpenBot", True),
    (r"a|b|c", "xxc", True),
    (r"(a|)x", "x", True),
    (r"hey\s+clawd", "hey \t clawd", True),
    (r"hey\s+clawd", "heyclawd", False),
    (r"a.c", "abc", True),
    (r"a.c", "a\nc", False),
    (r"[a-c]z", "Bz", True),
    (r"[^a-c]z", "bz", False),
    (r"[^a-c]z", "dz", True),
    (r"[]x]z", "]z", True),
    (r"[a-]z", "-z", True),
    (r"[\d\-]z", "-z", True),
    (r"[\--\.]z", ".z", True),
    (r"[A-Z]1", "q1", True),
    (r"\+1\.5", "+1.5", True),
    (r"\+1\.5", "+125", False),
    (r"a{2}b", "aab", True),
    (r"xa{2}b", "xab", False),
    (r"xa{2,}b", "xaaaab", True),
    (r"xa{1,3}b", "xaaab", True),
    (r"xa{1,3}b", "xaaaab", False),
    (r"xa{0,1}b", "xb", True),
    (r"x(ab)*y", "xababy", True),
    (r"x(?:ab)+?y", "xy", False),
    (r"(?i)clawd", "CLAWD", True),
    (r"\d\D\w\W\s\S", "1a_- x", True),
    (r"\D1", "11", False),
    (r"x\W", "x!", True),
    (r"x\S", "x ", False),
    (r"a\tb\nc\rd", "a\tb\nc\rd", True),
    ("straße", "STRAßE", True),
    ("x}", "x}", True),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), MATCHES)
def test_a_pattern_means_what_the_standard_library_says(pattern: str, text: str, expected: bool):
    assert MentionPattern(pattern).is_in(text) is expected
    assert (re.search(pattern, text, re.IGNORECASE) is not None) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "(a", "a)", "[", "[a", "[]", "[b-a]", "*a", "a**", "a+*", "a?{2}", "+", "?",
        "{2}", "a{", "a{x}", "a{2", "a{3,2}", "a{65}", "a{9999}", "a{1,65}", "\\", r"\q", r"\1",
        r"\pL", "(?=a)", "(?!a)", "(?<=a)", "(?P<n>a)", "(?#x)", "[\\", r"[\q]",
        "(" * 17 + "a" + ")" * 17, "(a{64}){64}", "((a{10}){10}){10}", "(a|b){64}(c|d){64}",
    ],
)  # fmt: skip
def test_what_is_not_known_or_too_large_is_refused(pattern: str):
    with pytest.raises(BadPatternError):
        MentionPattern(pattern)


def test_a_pattern_remembers_how_it_was_written():
    assert MentionPattern("(?i)a").pattern == "(?i)a"


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){10}b", "a?" * 30 + "a" * 30, "(a*)*b"]
)
def test_no_text_keeps_it_busy(pattern: str):
    """The work is counted, not timed: at each character no step is looked at twice."""
    found = MentionPattern(pattern)
    looked_at = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal looked_at
        looked_at += event == "c_call" and getattr(arg, "__name__", "") == "add"

    text = "a" * 300 + "!"
    sys.setprofile(count)
    try:
        found.is_in(text)
    finally:
        sys.setprofile(None)
    assert looked_at <= (len(text) + 1) * (len(found._steps) + 1)
    assert len(found._steps) <= mention_pattern._MAX_STEPS


def test_what_is_remembered_of_texts_is_bounded_and_makes_no_difference():
    found = MentionPattern("[\u0100-\u4fff]!clawd")
    for start in range(0x100, 0x5000, 0x400):
        text = "".join(map(chr, range(start, start + 0x400)))
        assert not found.is_in(text)
        assert len(found._known) <= mention_pattern._MAX_KNOWN
        assert len(found._states) <= mention_pattern._MAX_KNOWN
    assert found.is_in("\u4e00!CLAWD")


def test_a_second_look_at_a_text_finds_the_same():
    found = MentionPattern(r"\bclawd\b")
    for _ in range(3):
        assert found.is_in("hey clawd!")
        assert not found.is_in("hey clawdia")


_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\b", "^", "$", "(?:a|b)", "(ab)"])
_MARKS = st.sampled_from(["", "", "?", "*", "+", "{2}", "{0,2}", "{1,}", "*?"])


@given(
    parts=st.lists(st.tuples(_ATOMS, _MARKS), min_size=1, max_size=5),
    text=st.text(alphabet="abAB \n!", max_size=8),
)
def test_it_agrees_with_the_standard_library(parts: list[tuple[str, str]], text: str):
    pattern = "".join(
        atom + (mark if atom not in {"^", "$", r"\b"} else "") for atom, mark in parts
    )
    if text.endswith("\n"):  # there `$` also stands before a last line end; here only at the end
        text += "x"
    expected = re.search(pattern, text, re.IGNORECASE) is not None
    assert MentionPattern(pattern).is_in(text) is expected


@given(
    pattern=st.text(alphabet="ab()[]{}|?*+^$\\.,-:12dwbq", max_size=12), text=st.text(max_size=8)
)
def test_any_pattern_is_read_or_refused(pattern: str, text: str):
    try:
        found = MentionPattern(pattern)
    except BadPatternError:
        return
    assert found.is_in(text) in {True, False}
