"""Which command would install something."""

from __future__ import annotations

import pytest

from carapace.agent.skills.installing import choose, command
from carapace.agent.skills.types import InstallKind, InstallOption
from carapace.config.settings.skills import SkillInstallSettings


def option(kind: InstallKind, package: str = "crab") -> InstallOption:
    return InstallOption(id=kind, kind=kind, label=kind, package=package)


@pytest.mark.parametrize(
    ("kind", "package", "argv"),
    [
        ("brew", "crab", ("brew", "install", "crab")),
        ("node", "@c/x", ("npm", "install", "-g", "--ignore-scripts", "@c/x")),
        ("go", "x.example/c", ("go", "install", "x.example/c@latest")),
        ("go", "x.example/c@v1", ("go", "install", "x.example/c@v1")),
        ("uv", "crab", ("uv", "tool", "install", "crab")),
        ("download", "", None),
    ],
)
def test_each_kind_has_its_command(kind: InstallKind, package: str, argv: tuple[str, ...] | None):
    assert command(option(kind, package), SkillInstallSettings()) == argv


def test_the_manager_of_node_packages_can_be_chosen():
    argv = command(option("node"), SkillInstallSettings(node_manager="bun"))
    assert argv == ("bun", "add", "-g", "--ignore-scripts", "crab")


def kinds(*offered: InstallKind, here: str = "", brew: bool = True) -> list[str]:
    chosen = choose(
        tuple(option(kind) for kind in offered),
        SkillInstallSettings(prefer_brew=brew),
        has_bin=lambda name: name in here.split(),
    )
    return [one.kind for one in chosen]


def test_the_best_way_is_the_one_that_can_be_gone():
    assert kinds("brew", "node", here="npm") == ["node"]
    assert kinds("node", "brew", here="npm brew") == ["brew"]
    assert kinds("node", "brew", here="npm brew", brew=False) == ["node"]
    assert kinds("go", "uv", here="") == ["uv"]
    assert kinds("brew", "download", here="") == ["brew"]
    assert kinds("download", "download") == ["download", "download"]
    assert kinds() == []
