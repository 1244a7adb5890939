"""The committed pages say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.telemetry.audit import AuditKind
from carapace.telemetry.reference import audit_page, metrics_page, write

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def test_every_audit_kind_is_on_its_page():
    assert all(f"| `{kind}` |" in audit_page() for kind in AuditKind)


def test_metrics_are_listed_with_type_labels_and_meaning():
    page = metrics_page()
    assert "| `carapace_build_info` | gauge | `version`, `python` | Always 1;" in page
    assert "| `carapace_event_loop_lag_seconds` | histogram |  |" in page


def test_the_pages_are_written_where_asked(tmp_path: Path):
    write(tmp_path)
    assert (tmp_path / "metrics.md").read_text() == metrics_page()
    assert (tmp_path / "audit.md").read_text() == audit_page()


@pytest.mark.parametrize(("name", "page"), [("metrics.md", metrics_page), ("audit.md", audit_page)])
def test_the_committed_page_is_current(name: str, page):
    assert (REFERENCE / name).read_text() == page(), "run `just generate`"
