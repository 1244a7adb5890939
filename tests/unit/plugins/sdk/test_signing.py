"""Keys are kept to oneself; what is signed is what is packed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.package.archive import unpack
from carapace.plugins.package.contents import verify
from carapace.plugins.package.publishers import Trust
from carapace.plugins.sdk import signing
from carapace.plugins.sdk.new import create
from carapace.plugins.sdk.project import Project, open_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = open_project(create(tmp_path / "hello", language="c"))
    made.build_dir.mkdir()
    made.wasm.write_bytes(b"\0asm")
    return made


def test_a_signed_package_is_taken_by_who_trusts_its_publisher(project: Project, tmp_path: Path):
    publisher = signing.generate_key(tmp_path / "my.key")
    key = signing.load_key(tmp_path / "my.key")
    assert signing.publisher_of_key(key) == publisher
    signing.sign_project(project, key)
    packed = signing.pack_project(open_project(project.folder))
    assert packed == project.folder / "hello-0.1.0.carapace-plugin"
    package = verify(unpack(packed.read_bytes()), Trust.of([publisher]))
    assert package.wasm_sha256 == hashlib.sha256(b"\0asm").hexdigest()
    assert package.manifest.publisher == publisher
    # Once more changes nothing.
    manifest = (project.folder / "plugin.toml").read_bytes()
    signing.sign_project(open_project(project.folder), key)
    assert (project.folder / "plugin.toml").read_bytes() == manifest


def test_an_unsigned_package_goes_into_the_folder_that_was_named(project: Project, tmp_path: Path):
    packed = signing.pack_project(project, tmp_path)
    assert unpack(packed.read_bytes()).signature is None
    assert packed.parent == tmp_path


def test_a_manifest_without_tables_gets_the_publisher_at_its_end(tmp_path: Path):
    path = tmp_path / "plugin.toml"
    path.write_text('id = "a"\n')
    signing._name_publisher(path, "ed25519:x")
    assert path.read_text() == 'id = "a"\npublisher = "ed25519:x"\n'


def test_a_key_is_never_replaced_and_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "my.key"
    signing.generate_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused, match="keys are not replaced"):
        signing.generate_key(path)
    path.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        signing.load_key(path)


@pytest.mark.parametrize("text", ["", "carapace-plugin-key 1\nshort\n", "other\nAAAA\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "my.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(Refused, match="cara plugin keygen"):
        signing.load_key(path)


def test_a_key_that_is_not_there_or_cannot_be_written(tmp_path: Path):
    with pytest.raises(Refused, match="cara plugin keygen"):
        signing.load_key(tmp_path / "gone")
    with pytest.raises(Refused, match="could not be written"):
        signing.generate_key(tmp_path / "gone" / "my.key")


def test_nothing_is_signed_or_packed_before_it_is_built(project: Project, tmp_path: Path):
    signing.generate_key(tmp_path / "my.key")
    project.wasm.unlink()
    for work in (
        lambda: signing.sign_project(project, signing.load_key(tmp_path / "my.key")),
        lambda: signing.pack_project(project),
    ):
        with pytest.raises(Refused, match="cara plugin build"):
            work()


def test_another_publishers_plugin_is_not_signed_by_mistake(project: Project, tmp_path: Path):
    for name in ("one.key", "other.key"):
        signing.generate_key(tmp_path / name)
    signing.sign_project(project, signing.load_key(tmp_path / "one.key"))
    with pytest.raises(Refused, match="names another publisher"):
        signing.sign_project(open_project(project.folder), signing.load_key(tmp_path / "other.key"))


def test_what_changed_after_it_was_signed_is_not_packed(project: Project, tmp_path: Path):
    signing.generate_key(tmp_path / "my.key")
    signing.sign_project(project, signing.load_key(tmp_path / "my.key"))
    project.wasm.write_bytes(b"\0asm and more")
    with pytest.raises(Refused, match="is not signed as it is now"):
        signing.pack_project(open_project(project.folder))
    (project.build_dir / "plugin.sig").unlink()
    with pytest.raises(Refused, match="is not signed as it is now"):
        signing.pack_project(open_project(project.folder))
