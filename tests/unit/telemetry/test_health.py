"""Ready means that no check has a reason against it."""

from __future__ import annotations

import pytest

from carapace.telemetry.health import Readiness


def test_without_checks_one_is_ready():
    assert Readiness().report().is_ready


def test_a_reason_is_reported_under_its_name():
    readiness = Readiness()
    readiness.add("store", lambda: None)
    readiness.add("providers", lambda: "no model is configured")
    report = readiness.report()
    assert not report.is_ready
    assert report.reasons == {"providers": "no model is configured"}
    assert report.checked == ("store", "providers")


def test_a_check_is_asked_anew_each_time():
    reasons: list[str | None] = ["not yet", None]
    readiness = Readiness()
    readiness.add("store", lambda: reasons.pop(0))
    assert [readiness.report().is_ready, readiness.report().is_ready] == [False, True]


def test_a_check_that_raises_is_not_ready():
    readiness = Readiness()

    def broken() -> str | None:
        raise RuntimeError("secret detail")

    readiness.add("store", broken)
    assert readiness.report().reasons == {"store": "the check itself failed, see the log"}


def test_a_name_is_taken_once():
    readiness = Readiness()
    readiness.add("store", lambda: None)
    with pytest.raises(ValueError, match="store is added twice"):
        readiness.add("store", lambda: None)


def test_what_is_optional_is_a_note_and_not_in_the_way():
    readiness = Readiness()
    readiness.add("memory", lambda: "words alone", is_optional=True)
    report = readiness.report()
    assert report.is_ready
    assert report.notes == {"memory": "words alone"}
