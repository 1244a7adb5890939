"""`cara version` lists what a report needs."""

from __future__ import annotations

import platform

from carapace import __version__
from support.command import Command


def test_people_and_programs_get_the_same(cara: Command):
    done = cara("version")
    assert __version__ in done.out
    got = cara("version", "--json").json
    assert got["carapace"] == __version__
    assert got["python"] == platform.python_version()
    assert got["protocol"] == "3"


def test_a_missing_extra_is_said(cara: Command, monkeypatch):
    monkeypatch.setattr("carapace.cli.version._EXTRAS", ("no-such-package-here",))
    assert "not installed" in cara("version").out
    assert cara("version", "--json").json["no-such-package-here"] is None
