"""People are told what is the matter, why, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.host.crashes import CrashRules
from carapace.plugins.host.texts import begun_anew, busy, quarantined, refused, resting, stopped
from support.plugin_house import a_plugin

PLUGIN = a_plugin("zalo")


def test_all_of_them_name_the_plugin():
    found = [
        stopped(PLUGIN),
        begun_anew(PLUGIN),
        busy(PLUGIN, "x"),
        resting(PLUGIN, "x", 1.0),
        refused(PLUGIN, GuestError("EXPORT_MISSING", "it offers no tool")),
    ]
    assert all("the plugin zalo" in error.message for error in found)


def test_a_pause_is_told_in_whole_milliseconds_and_never_as_none():
    assert resting(PLUGIN, "x", 1.25).retry_after_ms == 1_250
    assert resting(PLUGIN, "x", 0.0).retry_after_ms == 1
    assert busy(PLUGIN, "x").retry_after_ms == 1_000


def test_a_refusal_may_be_repeated_only_if_its_cause_may():
    assert not refused(PLUGIN, GuestError("IMPORT_REFUSED", "it imports wasi:http")).retryable
    assert refused(PLUGIN, GuestTrap("lost", "its process ended")).retryable


def test_a_quarantine_says_how_often_why_until_when_and_what_to_do():
    at = datetime(2026, 11, 23, 4, 5, tzinfo=UTC)
    assert quarantined(PLUGIN, "it ended with SIGSEGV", 5, CrashRules(), again=at) == (
        "its process was lost 5 times in 10 minutes, at last because it ended with SIGSEGV. It is "
        "tried again at 2026-11-23 04:05 UTC, or at once after: cara plugin enable zalo"
    )
    assert "once more" in quarantined(PLUGIN, "x", 1, CrashRules(), again=at)
