"""The models that lie on this machine, each under its own hash."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from carapace.agent.weights.manifest import MANIFEST, Weights
from carapace.value import Value

__all__ = ["GGUF_MAGIC", "InstalledModel", "Library", "is_gguf"]

GGUF_MAGIC = b"GGUF"
_SHA256_CHARS = 64


class InstalledModel(Value, frozen=True):
    """A model file that is complete.

    Attributes:
        name: What people call it.
        sha256: Of the file.
        path: Where it is.
        size_bytes: Its size.
        weights: Its row of the manifest, None for a file the user brought.
    """

    name: str
    sha256: str
    path: Path
    size_bytes: int
    weights: Weights | None


class _Label(msgspec.Struct):
    """What is kept beside a file that the user brought."""

    name: str
    source: str


def is_gguf(path: Path) -> bool:
    """Whether a file starts as model files do."""
    with path.open("rb") as file:
        return file.read(len(GGUF_MAGIC)) == GGUF_MAGIC


class Library:
    """Model files in one folder, named `<sha256>.gguf`.

    Args:
        folder: Usually `models` in the state folder; made with mode 0700 when first used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, sha256: str) -> Path:
        """Where the file with this hash lies or will lie."""
        return self.folder / f"{sha256}.gguf"

    def installed(self) -> list[InstalledModel]:
        """All complete models, by name."""
        if not self.folder.is_dir():
            return []
        found = (self._read(path) for path in self.folder.glob("*.gguf"))
        return sorted((model for model in found if model), key=lambda model: model.name)

    def find(self, name: str) -> InstalledModel | None:
        """A model by its name, its hash, or at least eight characters of its hash."""
        models = self.installed()
        for model in models:
            if name in {model.name, model.sha256}:
                return model
        short = [model for model in models if model.sha256.startswith(name)]
        return short[0] if len(name) >= 8 and len(short) == 1 else None  # noqa: PLR2004 - as git

    def _read(self, path: Path) -> InstalledModel | None:
        if len(path.stem) != _SHA256_CHARS:
            return None
        size = path.stat().st_size
        weights = next((w for w in MANIFEST.values() if w.sha256 == path.stem), None)
        if weights is not None:
            # A file of another size was tampered with or restored in part.
            is_whole = size == weights.size_bytes
            return (
                InstalledModel(weights.name, path.stem, path, size, weights) if is_whole else None
            )
        return InstalledModel(self._label(path), path.stem, path, size, None)

    def _label(self, path: Path) -> str:
        try:
            return msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Label).name
        except (OSError, msgspec.DecodeError):
            return path.stem[:12]

    def adopt(self, finished: Path, sha256: str, *, name: str, source: str) -> InstalledModel:
        """Move a checked file into the library, atomically, and make it read-only.

        Args:
            finished: On the same file system as the folder.
            sha256: Its hash, already checked.
            name: Kept beside it if the manifest does not know the file.
            source: Where it came from.
        """
        target = self.path_of(sha256)
        with finished.open("rb") as file:
            os.fsync(file.fileno())
        finished.chmod(0o400)
        if not any(weights.sha256 == sha256 for weights in MANIFEST.values()):
            label = target.with_suffix(".json")
            label.write_bytes(msgspec.json.encode(_Label(name, source)))
            label.chmod(0o600)
        finished.replace(target)
        model = self._read(target)
        assert model is not None  # noqa: S101 - its hash was checked, so its size is right
        return model
