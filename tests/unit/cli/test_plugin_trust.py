"""Trust is given by key, and a package can be checked before anything is done with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from carapace.plugins.package.archive import pack
from support.command import Command
from support.packages import PUBLISHER, contents


@pytest.fixture
def package(tmp_path: Path) -> str:
    path = tmp_path / "hello.carapace-plugin"
    path.write_bytes(pack(contents(permissions="agent = true")))
    return str(path)


def test_at_first_nobody_is_trusted(cara: Command):
    assert "You trust nobody" in cara("plugin", "trust").out
    assert cara("plugin", "trust", "--json").json == {"trustedPublishers": []}


def test_a_publisher_is_trusted_once_and_no_longer(cara: Command):
    for _ in range(2):
        assert cara("plugin", "trust", PUBLISHER).out == f"{PUBLISHER}\n"
    assert json.loads(cara.config.read_text())["plugins"]["trustedPublishers"] == [PUBLISHER]
    assert "You trust nobody" in cara("plugin", "trust", PUBLISHER, "--remove").out


def test_a_name_is_no_key(cara: Command):
    done = cara("plugin", "trust", "somebody")
    assert done.code == 2
    assert "is no publisher" in done.err
    assert not cara.config.exists()
    assert cara("plugin", "trust", "--remove").code == 2


def test_a_package_of_a_trusted_publisher_is_told(cara: Command, package: str):
    cara("plugin", "trust", PUBLISHER)
    done = cara("plugin", "verify", package)
    assert done.code == 0, done.err
    assert f"Hello (hello 1.0.0), signed by {PUBLISHER}" in done.out
    assert "+ start turns of the assistant" in done.out
    told = cara("plugin", "verify", package, "--json").json
    assert (told["id"], told["signed"], told["publisher"]) == ("hello", True, PUBLISHER)


def test_a_package_of_somebody_else_is_refused_with_the_next_step(cara: Command, package: str):
    done = cara("plugin", "verify", package)
    assert done.code == 1
    assert f"cara plugin trust {PUBLISHER}" in done.err


def test_an_unsigned_package_says_so(cara: Command, tmp_path: Path):
    path = tmp_path / "draft.carapace-plugin"
    path.write_bytes(pack(contents(key=None)))
    assert cara("plugin", "verify", str(path)).code == 1
    cara.write_config("{plugins: {allowUnsigned: true}}")
    assert "UNSIGNED" in cara("plugin", "verify", str(path)).out


def test_a_broken_configuration_is_told(cara: Command):
    cara.write_config('{plugins: {trustedPublishers: ["me"]}}')
    done = cara("plugin", "trust")
    assert done.code == 78
    assert "cara doctor" in done.err
