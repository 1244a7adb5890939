from __future__ import annotations

from pathlib import Path

from carapace.config.catalogue import entries
from carapace.config.environment import VARIABLES
from carapace.config.reference import main, reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "config.md"


def test_the_committed_page_is_current():
    """After a change of the settings run `python -m carapace.config.reference`."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_setting_and_variable_is_named():
    page = reference()
    for entry in entries():
        assert str(entry.key[-1]) in page
        assert entry.field.meaning.replace("|", "\\|") in page
    for variable in VARIABLES:
        assert f"CARAPACE_{variable.suffix}" in page


def test_keys_are_written_as_one_would_write_them():
    page = reference()
    assert "`models.providers.<name>.models[n].id` | text of 1 to 256 characters | required" in page
    assert "`agents.list[n].id`" in page


def test_the_page_is_written_where_it_is_asked(tmp_path):
    target = tmp_path / "docs" / "config.md"
    assert main(target) == 0
    assert target.read_text(encoding="utf-8") == reference()
