from __future__ import annotations

from carapace.channels.mentions import NO_MENTIONS, BadPattern, MentionPatterns


def test_without_patterns_nothing_mentions_us():
    assert not NO_MENTIONS.are_in("clawd")


def test_any_pattern_will_do():
    patterns = MentionPatterns([r"\bclawd\b", "@bot"])
    assert patterns.are_in("hello @BOT")
    assert patterns.are_in("Clawd, hello")
    assert not patterns.are_in("hello")


def test_a_bad_pattern_is_named_and_the_others_count():
    patterns = MentionPatterns(["(", "clawd"])
    assert patterns.bad == (BadPattern("(", "a ( has no )"),)
    assert patterns.are_in("clawd")


def test_a_pattern_that_matches_nothing_at_all_would_match_everything():
    patterns = MentionPatterns(["a?"])
    assert not patterns.are_in("anything")
    assert "empty" in patterns.bad[0].reason


def test_invisible_characters_do_not_hide_a_mention():
    assert MentionPatterns([r"\bclawd\b"]).are_in("hey\u2060 cl\u200bawd\ufeff!")


def test_only_the_beginning_of_a_long_text_is_looked_at():
    assert MentionPatterns(["clawd"]).are_in("x" * 1_995 + "clawd")
    assert not MentionPatterns(["clawd"]).are_in("x" * 1_996 + "clawd")


def test_there_are_fifty_patterns_at_most():
    patterns = MentionPatterns([f"p{number}x" for number in range(51)])
    assert patterns.are_in("p49x")
    assert not patterns.are_in("p50x")
    assert [one.pattern for one in patterns.bad] == ["p50x"]
