"""The page of advisories says which rows have a test, and claims none without."""

from __future__ import annotations

from pathlib import Path

from carapace_tools.reference.advisories import GROUPS, advisories_page, covered_rows

ROOT = Path(__file__).resolve().parents[4]


def test_rows_are_found_by_the_names_of_tests(tmp_path: Path):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_one.py").write_text("def test_adv_a01_x(): ...\nasync def test_adv_d07(): ...\n")
    (tests / "test_two.py").write_text("class T:\n    def test_adv_a01_y(self): ...\n")
    (tests / "test_three.py").write_text("def test_adv_e01_e02_f03_v04_x(): ...\n")
    (tests / "other.py").write_text("def test_adv_a02_x(): ...\n")
    assert covered_rows(tests) == {
        "A01": ["tests/test_one.py", "tests/test_two.py"],
        "D07": ["tests/test_one.py"],
        **{key: ["tests/test_three.py"] for key in ("E01", "E02", "F03", "V04")},
    }
    page = advisories_page(tests)
    assert (
        "| A | Connecting by WebSocket: order of checks, scopes, identity, origin | 21 | 1 |"
        in page
    )
    assert "| A01 | `tests/test_one.py`, `tests/test_two.py` |" in page
    assert "| A02 | none |" in page


def test_no_test_of_ours_names_a_row_that_does_not_exist():
    for row in covered_rows(ROOT / "tests"):
        if row[0] in GROUPS:
            assert 1 <= int(row[1:]) <= GROUPS[row[0]][1], row
