"""Plugins as their authors ship them: real components, built once per content, and signed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.sdk.build import build
from carapace.plugins.sdk.project import open_project
from carapace.plugins.sdk.signing import pack_project, sign_project
from support.guests import _keep, _lasting_folder
from support.packages import KEY

__all__ = ["GUESTS", "packed"]

GUESTS = Path(__file__).parents[1] / "guests"


def packed(source: Path, folder: Path, **changes: str) -> Path:
    """A signed package of the project in `source`, made in `folder`.

    A missing toolchain skips the test, loudly.

    Args:
        source: With `plugin.toml` and `app.*`.
        folder: For the project's copy and the package.
        **changes: Texts of `plugin.toml` to replace: `version="1.1.0"`.
    """
    place = folder / f"{source.name}-{'-'.join(changes.values()) or 'as-it-is'}"
    shutil.copytree(source, place, ignore=shutil.ignore_patterns("build", "__pycache__"))
    manifest = place / "plugin.toml"
    text = manifest.read_text()
    for name, value in changes.items():
        lines = [
            f'{name} = "{value}"' if one.startswith(f"{name} =") else one
            for one in text.splitlines()
        ]
        text = "\n".join(lines) + "\n"
    manifest.write_text(text)
    project = open_project(place)
    kept = _lasting_folder() / f"{project.manifest.id}-{project.digest()}.wasm"
    try:
        built = build(project) if not kept.exists() else None
    except Refused as refused:
        pytest.skip(f"the guest {source.name} cannot be built here: {refused.message}")
    if built is not None:
        _keep(kept, built.read_bytes())
    else:
        project.build_dir.mkdir(exist_ok=True)
        shutil.copyfile(kept, project.wasm)
        (project.build_dir / "sources.sha256").write_text(project.digest() + "\n")
    sign_project(project, KEY)
    return pack_project(open_project(place))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(packed(GUESTS / "parrot", Path(made)))
