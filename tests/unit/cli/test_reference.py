"""The committed page says what the command does."""

from __future__ import annotations

from pathlib import Path

from carapace.cli.reference import page, write
from carapace.cli.verbs import VERBS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_every_verb_has_its_section():
    text = page()
    assert all(f"\n## cara {verb.name}\n" in text for verb in VERBS)
    assert "\n### cara config explain\n" in text


def test_the_page_is_written_where_asked(tmp_path: Path):
    write(tmp_path)
    assert (tmp_path / "cli.md").read_text() == page()


def test_the_committed_page_is_current():
    assert PAGE.read_text() == page(), "run `just generate`"
