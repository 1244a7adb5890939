"""Params of `update.run` are the protocol's; the report is sparse."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.update import UpdateReport, UpdateRun


@pytest.mark.parametrize("given", [{"timeoutMs": 0}, {"restartDelayMs": -1}, {"more": 1}])
def test_what_does_not_fit_is_refused(given):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(given), type=UpdateRun)


def test_a_report_has_all_its_fields():
    report = UpdateReport(status="skipped", mode="git", reason="r", root="/", version="1", how="h")
    assert set(msgspec.to_builtins(report)) == {
        "status",
        "mode",
        "reason",
        "root",
        "version",
        "how",
    }
