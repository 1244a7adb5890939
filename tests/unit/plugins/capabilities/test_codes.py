"""Codes are few, explained, and say whether to try again."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.codes import MEANINGS, Code, guest_error, of_gateway_error

DOC = Path(__file__).parents[4] / "docs" / "explain" / "plugin-capabilities.md"


def test_every_code_is_explained():
    assert set(MEANINGS) == set(Code)


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_in_the_docs(code):
    assert f"| `{code.value}` | {MEANINGS[code]} |" in DOC.read_text()


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_used(code):
    folder = Path(__file__).parents[4] / "src" / "carapace" / "plugins" / "capabilities"
    uses = sum(f"Code.{code.name}" in path.read_text() for path in folder.rglob("*.py"))
    assert uses > 1 or code in {Code.REFUSED, Code.UNAVAILABLE}


def test_a_code_says_whether_to_try_again():
    assert guest_error(Code.TIMEOUT, "x").retryable
    assert not guest_error(Code.QUOTA, "x").retryable
    assert guest_error(Code.QUOTA, "x", retryable=True, retry_after_ms=5).retry_after_ms == 5


def test_what_a_service_raised_gets_a_code():
    assert of_gateway_error(Refused("no")).code == "refused"
    failed = of_gateway_error(Failed("later", retryable=True, retry_after_ms=9))
    assert (failed.code, failed.retryable, failed.retry_after_ms) == ("unavailable", True, 9)
    assert of_gateway_error(Failed("the disk is full")).retryable
    assert not of_gateway_error(Failed("who knows", retryable=False)).retryable
    assert not of_gateway_error(Refused("no")).retryable
    own = guest_error(Code.QUOTA, "x")
    assert of_gateway_error(own) is own
