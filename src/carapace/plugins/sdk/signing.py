"""Keys, signatures and packages, on the author's machine."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carapace.errors import Refused
from carapace.plugins.package.archive import archive_name, pack
from carapace.plugins.package.contents import SIGNATURE_NAME, Contents
from carapace.plugins.package.manifest import parse_manifest
from carapace.plugins.package.publishers import publisher_of
from carapace.plugins.package.signature import (
    InvalidSignature,
    check_signature,
    parse_signature,
    sign,
)
from carapace.plugins.sdk.project import MANIFEST, Project, open_project

__all__ = ["generate_key", "load_key", "pack_project", "publisher_of_key", "sign_project"]

_HEAD: Final = "carapace-plugin-key 1"
_KEY_BYTES: Final = 32
_PUBLISHER: Final = re.compile(r'^publisher\s*=\s*"[^"]*"[^\n]*\n', re.MULTILINE)


def generate_key(path: Path) -> str:
    """Make a key in a new file that only its owner may read; gives the publisher's name.

    Raises:
        Refused: If there is a file already; a key is never replaced.
    """
    key = Ed25519PrivateKey.generate()
    text = f"{_HEAD}\n{base64.urlsafe_b64encode(key.private_bytes_raw()).decode()}\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused(f"{path} exists: keys are not replaced. Choose another name.") from error
    except OSError as error:
        raise Refused(f"{path} could not be written: {error.strerror}.") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    return publisher_of_key(key)


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read a key that `generate_key` wrote.

    Raises:
        Refused: If there is none, or others may read it.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} holds no key. Make one: cara plugin keygen {path}") from error
    if os.name == "posix" and mode & 0o077:
        raise Refused(f"{path} may be read by others. Make it yours: chmod 600 {path}")
    try:
        head, encoded = lines
        raw = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        head, raw = "", b""
    if head != _HEAD or len(raw) != _KEY_BYTES:
        raise Refused(f"{path} holds no key. Make one: cara plugin keygen {path}")
    return Ed25519PrivateKey.from_private_bytes(raw)


def publisher_of_key(key: Ed25519PrivateKey) -> str:
    """The name under which an operator trusts the key's owner."""
    return publisher_of(key.public_key().public_bytes_raw())


def sign_project(project: Project, key: Ed25519PrivateKey) -> Path:
    """Name the publisher in the manifest and sign it with the built component.

    Raises:
        Refused: If there is no component, or somebody else's signature is to be replaced.
    """
    publisher = publisher_of_key(key)
    if project.manifest.publisher not in {None, publisher}:
        raise Refused(
            f"{MANIFEST} names another publisher, {project.manifest.publisher}: remove that line "
            "if the plugin is yours now."
        )
    if project.manifest.publisher is None:
        _name_publisher(project.folder / MANIFEST, publisher)
        project = open_project(project.folder)
    wasm = _component(project)
    signature = sign(
        key,
        manifest=(project.folder / MANIFEST).read_bytes(),
        wasm_sha256=hashlib.sha256(wasm).hexdigest(),
        wit=project.manifest.wit,
    )
    path = project.build_dir / SIGNATURE_NAME
    path.write_bytes(signature.encode())
    return path


def pack_project(project: Project, target: Path | None = None) -> Path:
    """Put manifest, component and signature, if there is one, into one file.

    Args:
        project: A built one.
        target: Folder for the package; the project's own if None.

    Raises:
        Refused: If there is no component, or it or the manifest has changed since it was signed.
    """
    signature = project.build_dir / SIGNATURE_NAME
    contents = Contents(
        manifest=(project.folder / MANIFEST).read_bytes(),
        wasm=_component(project),
        signature=signature.read_bytes() if signature.is_file() else None,
    )
    _check_signature(project, contents)
    path = (target or project.folder) / archive_name(parse_manifest(contents.manifest))
    path.write_bytes(pack(contents))
    return path


def _check_signature(project: Project, contents: Contents) -> None:
    """A signature that no longer holds would be found out only where it is installed."""
    if contents.signature is None and project.manifest.publisher is None:
        return
    try:
        check_signature(
            parse_signature(contents.signature or b""),
            manifest=contents.manifest,
            wasm_sha256=hashlib.sha256(contents.wasm).hexdigest(),
            wit=project.manifest.wit,
        )
    except InvalidSignature as error:
        raise Refused(
            f"{project.manifest.id} is not signed as it is now. Sign it: cara plugin sign"
        ) from error


def _component(project: Project) -> bytes:
    if not project.wasm.is_file():
        raise Refused(f"{project.manifest.id} is not built yet. Build it: cara plugin build")
    return project.wasm.read_bytes()


def _name_publisher(path: Path, publisher: str) -> None:
    """Write the line before the first table, where TOML wants the manifest's own keys."""
    text = _PUBLISHER.sub("", path.read_text("utf-8"))
    table = re.search(r"^\[", text, re.MULTILINE)
    at = len(text) if table is None else table.start()
    head, tail = text[:at].rstrip("\n"), text[at:]
    line = f'publisher = "{publisher}"\n'
    path.write_text(f"{head}\n{line}" + (f"\n{tail}" if tail else ""), "utf-8")
