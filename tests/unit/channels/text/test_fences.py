from __future__ import annotations

import pytest

from carapace.channels.text.fences import fence_around, find_fences


def test_a_block_is_found_with_its_marks_and_language():
    text = "a\n  ~~~~ python x \ncode\n  ~~~~\nb"
    (fence,) = find_fences(text)
    assert text[fence.start : fence.end] == "  ~~~~ python x \ncode\n  ~~~~"
    assert text[fence.body_start : fence.body_end] == "code\n"
    assert fence.opening() == "  ~~~~python x\n"
    assert fence.opening(with_info=False) == "  ~~~~\n"
    assert fence.closing() == "\n  ~~~~"


def test_a_block_without_end_reaches_to_the_end_of_the_text():
    (fence,) = find_fences("```\nabc")
    assert not fence.is_closed
    assert fence.end == fence.body_end == 7


def test_an_opening_line_at_the_very_end_opens_an_empty_block():
    (fence,) = find_fences("abc\n```")
    assert fence.body_start == fence.end == 7


@pytest.mark.parametrize(
    "text",
    ["``` a ` b\nx", "``\nx\n``", "text ```\nx", "`` ` ```"],
    ids=["backtick in its info", "two marks", "not at the start of a line", "inline"],
)
def test_these_open_no_block(text):
    assert find_fences(text) == []


@pytest.mark.parametrize("line", ["~~~", "``", "``` x", "       ```"])
def test_these_close_no_block_of_backticks(line):
    assert find_fences(f"```\n{line}\nmore\n```\n")[0].is_closed
    assert not find_fences(f"```\n{line}\nmore")[0].is_closed


def test_more_marks_close_as_well():
    assert find_fences("```\nx\n`````\n```\ny\n```")[0].end == 11


def test_blocks_are_found_in_order_and_around_a_place():
    fences = find_fences("```\na\n```\nmid\n```\nb\n```")
    assert len(fences) == 2
    assert fence_around(fences, 0) is None
    assert fence_around(fences, 4) == fences[0]
    assert fence_around(fences, fences[0].end) is None
    assert fence_around(fences, fences[1].start) is None
    assert fence_around(fences, fences[1].start + 1) == fences[1]
    assert fence_around([], 3) is None
