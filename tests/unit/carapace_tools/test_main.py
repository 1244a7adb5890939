"""The tools are found by their words, and say what there is otherwise."""

from __future__ import annotations

import pytest

from carapace_tools.main import main


@pytest.mark.parametrize("words", [[], ["golden"], ["replay"]])
def test_without_a_known_verb_it_lists_them(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(words) == 2
    assert "golden replay; generate" in capsys.readouterr().err


def test_a_verb_gets_the_rest_of_the_line(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["golden", "replay", "--help"])
    assert ended.value.code == 0
    assert "--against" in capsys.readouterr().out
