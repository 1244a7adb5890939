from __future__ import annotations

import pytest

from carapace.channels.access.pairing_code import CODE_CHARS, CODE_LENGTH, new_code, normal_code


def test_a_code_is_forty_bits_of_letters_nobody_mixes_up():
    assert len(set(CODE_CHARS)) == 32
    assert not set(CODE_CHARS) & set("IO01")
    codes = {new_code() for _ in range(100)}
    assert len(codes) == 100
    assert all(len(code) == CODE_LENGTH and set(code) <= set(CODE_CHARS) for code in codes)


@pytest.mark.parametrize("typed", ["ABCD2345", "abcd2345", " abcd-2345\n", "ab cd 23 45"])
def test_a_code_is_read_however_it_is_typed(typed: str):
    assert normal_code(typed) == "ABCD2345"


@pytest.mark.parametrize("typed", ["", " ", "ABCD234", "ABCD23456", "ABCD234O", "ABCD234\u0131"])
def test_what_cannot_be_a_code_is_nothing(typed: str):
    assert not normal_code(typed)
