from __future__ import annotations

from carapace.net.refused import EgressRefused, refusal_of


def test_it_is_an_oserror_that_says_what_and_why():
    error = EgressRefused("h", 80, "loopback")
    assert isinstance(error, OSError)
    assert str(error) == "refused to connect to h:80: loopback"
    assert (error.host, error.port, error.reason) == ("h", 80, "loopback")


def test_it_is_found_behind_causes_and_contexts():
    refused = EgressRefused("h", 80, "x")
    outer = RuntimeError()
    outer.__context__ = middle = ValueError()
    middle.__cause__ = refused
    assert refusal_of(outer) is refused
    assert refusal_of(RuntimeError()) is None


def test_a_chain_without_end_is_given_up():
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert refusal_of(first) is None
