"""Our apps leave errors and exit codes to `main`."""

from __future__ import annotations

import pytest
from cyclopts import CycloptsError

from carapace.cli.shell import new_app


def test_errors_are_raised_and_results_returned(capsys):
    app = new_app("x", help="Help.")
    app.default(lambda: 7)
    assert app([]) == 7
    with pytest.raises(CycloptsError):
        app(["--bogus"])
    assert capsys.readouterr().err == ""
