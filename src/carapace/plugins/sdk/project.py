"""An author's folder: `plugin.toml`, one source file that says the language, and `build/`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from carapace.errors import Refused
from carapace.plugins.package.manifest import InvalidManifest, Manifest, parse_manifest

__all__ = ["LANGUAGES", "MANIFEST", "Project", "open_project"]

MANIFEST: Final = "plugin.toml"
LANGUAGES: Final = {"app.py": "python", "app.js": "js", "app.c": "c", "app.rs": "rust"}
"""The source file that a project begins with -> its language."""

_NOT_SOURCE: Final = frozenset({"build", "node_modules", "tests", "__pycache__"})
_SUFFIXES: Final = {
    "python": {".py"},
    "js": {".js", ".mjs"},
    "c": {".c", ".h"},
    "rust": {".rs"},
}


@dataclass(frozen=True, slots=True)
class Project:
    """A plugin as its author has it.

    Attributes:
        folder: That holds everything.
        manifest: Of `plugin.toml`.
        language: `python`, `js`, `c` or `rust`.
        main: The source file that the language is known by.
    """

    folder: Path
    manifest: Manifest
    language: str
    main: Path

    @property
    def build_dir(self) -> Path:
        """Where all that is made goes; may be deleted."""
        return self.folder / "build"

    @property
    def wasm(self) -> Path:
        """The built component."""
        return self.build_dir / "plugin.wasm"

    @property
    def imports(self) -> tuple[str, ...]:
        """Import interfaces of the plugin's world, in a stable order."""
        return tuple(sorted(self.manifest.permissions.interfaces()))

    @property
    def exports(self) -> tuple[str, ...]:
        """Export interfaces of the plugin's world."""
        return ("manifest", *self.manifest.roles)

    def sources(self) -> Iterator[Path]:
        """The plugin's own source files."""
        suffixes = _SUFFIXES[self.language]
        for path in sorted(self.folder.rglob("*")):
            inner = path.relative_to(self.folder).parts
            is_ours = not _NOT_SOURCE.intersection(inner) and not inner[0].startswith(".")
            if is_ours and path.suffix in suffixes and path.is_file():
                yield path

    def digest(self) -> str:
        """What the component follows from: its sources, its world, its name for itself.

        The rest of the manifest, such as who publishes it, may change without a new build.
        """
        world = (self.manifest.id, self.manifest.version, self.imports, self.exports)
        hasher = hashlib.sha256(repr(world).encode())
        for path in self.sources():
            content = path.read_bytes()
            name = path.relative_to(self.folder).as_posix()
            hasher.update(f"{name}\0{len(content)}\0".encode() + content)
        return hasher.hexdigest()


def open_project(folder: Path) -> Project:
    """Read the project in `folder`.

    Raises:
        Refused: If there is none, or its manifest is wrong.
    """
    place = folder.resolve()
    if not (place / MANIFEST).is_file():
        raise Refused(
            f"{folder} holds no {MANIFEST}: it is no plugin's folder. Go into one, or begin: "
            "cara plugin new NAME"
        )
    try:
        manifest = parse_manifest((place / MANIFEST).read_bytes())
    except InvalidManifest as error:
        raise Refused(str(error)) from error
    mains = [place / name for name in LANGUAGES if (place / name).is_file()]
    if len(mains) != 1:
        found = "none of" if not mains else "several of"
        names = ", ".join(LANGUAGES)
        raise Refused(f"{folder} holds {found} {names}: keep exactly one, it says the language.")
    return Project(place, manifest, LANGUAGES[mains[0].name], mains[0])
