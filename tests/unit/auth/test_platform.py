"""Platforms are a closed list; what is not on it has no rights of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.auth.platform import Platform, platform_of


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ("ios", Platform.IOS),
        ("iOS 17.2", Platform.IOS),
        ("iPadOS 18.0.1", Platform.IOS),
        ("android", Platform.ANDROID),
        ("Android 14 (SDK 34)", Platform.ANDROID),
        ("macOS 26.1.0", Platform.MACOS),
        ("darwin", Platform.MACOS),
        ("linux", Platform.LINUX),
        ("  Linux-x64", Platform.LINUX),
        ("win32", Platform.WINDOWS),
        ("Windows 11", Platform.WINDOWS),
    ],
)
def test_names_that_apps_use_are_known(claimed: str, expected: Platform) -> None:
    assert platform_of(claimed) is expected


@pytest.mark.parametrize("claimed", [None, "", "   ", "plan9", "iosish", "maccy", "ubuntu linux"])
def test_everything_else_is_unknown(claimed: str | None) -> None:
    assert platform_of(claimed) is Platform.UNKNOWN


def test_one_letter_in_another_width_is_the_same_letter() -> None:
    assert platform_of("\uff4c\uff49\uff4e\uff55\uff58") is Platform.LINUX


def test_a_letter_that_only_looks_alike_makes_it_unknown() -> None:
    assert platform_of("m\u0430cOS 26") is Platform.UNKNOWN  # a Cyrillic a


@given(st.text(max_size=60))
def test_any_text_has_a_class(text: str) -> None:
    assert platform_of(text) in Platform
