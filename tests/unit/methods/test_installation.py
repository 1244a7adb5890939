"""How a gateway was installed is told from files, and each way has its own next step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carapace.methods.installation import Surroundings, find_installation


def surroundings(**given: Any) -> Surroundings:
    paths: frozenset[str] = frozenset(given.pop("paths", ()))
    fields: dict[str, Any] = {
        "package": Path("/venv/lib/python3.11/site-packages/carapace"),
        "prefix": "/venv",
        "base_prefix": "/usr",
        "environment": {},
        "exists": lambda path: str(path) in paths,
    }
    return Surroundings(**(fields | given))


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({}, "pip", "`/venv/bin/python -m pip install --upgrade carapace-gateway`"),
        ({"base_prefix": "/venv"}, "system", "with what installed it"),
        ({"prefix": "/home/me/.local/share/pipx/venvs/x"}, "pipx", "pipx upgrade"),
        ({"prefix": "/home/me/.local/share/uv/tools/x"}, "uv", "uv tool upgrade"),
        ({"paths": ["/.dockerenv"]}, "container", "newer image"),
        ({"paths": ["/run/.containerenv"]}, "container", "newer image"),
        ({"environment": {"container": "podman"}}, "container", "newer image"),
        ({"environment": {"KUBERNETES_SERVICE_HOST": "h"}}, "container", "newer image"),
        ({"package": Path("/co/src/carapace"), "paths": ["/co/.git"]}, "git", "in /co run `git"),
        ({"package": Path("/co/src/carapace")}, "pip", "pip install"),
        ({"package": Path("/co/lib/carapace"), "paths": ["/co/.git"]}, "pip", "pip install"),
    ],
)
def test_each_way_has_its_next_step(given, kind, said):
    found = find_installation(surroundings(**given))
    assert found.kind == kind
    assert said in found.how


def test_this_very_process_is_found():
    here = Surroundings.here({})
    assert (here.package / "__init__.py").is_file()
    assert find_installation(here).how
