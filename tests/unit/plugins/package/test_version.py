"""Versions are read strictly and ordered as semantic versioning says."""

from __future__ import annotations

import pytest

from carapace.plugins.package.version import InvalidVersion, parse_version

# The example of section 11 of the specification, and releases around it.
ORDER = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.10.0",
    "2.0.0",
]


def test_versions_are_in_the_order_of_the_specification():
    versions = [parse_version(text) for text in ORDER]
    assert sorted(versions) == versions
    assert [str(one) for one in versions] == ORDER


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+build", "v1.0.0"),
        *("1.0.0 ", "1.0.0\n", "1.0.0-" + "a" * 70, "\u0661.0.0", "9999999999.0.0"),
    ],
)
def test_nothing_else_is_a_version(text):
    with pytest.raises(InvalidVersion, match="is no version"):
        parse_version(text)


def test_the_same_text_is_the_same_version():
    assert parse_version("1.2.3") == parse_version("1.2.3")
    assert parse_version("1.2.3") != parse_version("1.2.3-rc.1")
