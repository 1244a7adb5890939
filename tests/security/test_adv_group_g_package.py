"""Advisory group G, as far as it concerns packages of plugins and their installation."""

from __future__ import annotations

import ast
import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from carapace.agent.tools.builtin import builtin_tools
from carapace.errors import Failed
from carapace.methods.plugins import METHODS
from carapace.plugins.package import installer as installer_module
from carapace.plugins.package.archive import unpack
from carapace.plugins.package.contents import Contents, verify
from carapace.plugins.package.files import PluginFiles
from carapace.plugins.package.local import read
from carapace.plugins.package.manifest import InvalidManifest, parse_manifest
from carapace.plugins.package.sources import parse_source
from carapace.plugins.state import PluginRefused, Refusal
from carapace.protocol.scopes import Role, Scope, allows, effective
from support.packages import (
    TRUST,
    contents,
    manifest_text,
    package_house,
    write_files,
)

PACKAGE_ROOM = Path(installer_module.__file__).parent
HOSTILE_IDS = ["../x", "..", "a/../../b", "/etc/x", "C:\\x", "a\\..\\b", ".hidden", "con.txt", "é"]


@pytest.fixture
def house(tmp_path: Path):
    made = package_house(tmp_path)
    yield made
    made.installer.close()
    made.trail.audit.close()


def names_used(path: Path) -> set[str]:
    """Every name, attribute and module that a source file mentions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(alias.name for alias in node.names)
            found.add(getattr(node, "module", None) or "")
    return found


@pytest.mark.parametrize("plugin_id", HOSTILE_IDS)
def test_adv_g01_an_id_never_leads_anywhere(plugin_id: str):
    with pytest.raises(InvalidManifest):
        parse_manifest(manifest_text(plugin_id=plugin_id.replace("\\", "\\\\")).encode())


async def test_adv_g01_g16_folders_are_named_by_digest_alone(house):
    given = contents(plugin_id="hello", version="1.0.0")
    await house.installer.install(house.packed(given, "..%2f..%2fevil"), accept=True, by="t")
    digest = verify(given, TRUST).digest
    assert [path.name for path in (house.root / "store").iterdir()] == [digest]
    assert sorted(path.name for path in house.root.iterdir()) == [
        "lock.json",
        "log.jsonl",
        "store",
    ]


async def test_adv_g02_nothing_of_the_current_directory_is_loaded(house, monkeypatch, tmp_path):
    cloned = tmp_path / "cloned"
    for name in ("plugins", "plugins/hello", "channels", "setup-api", ".carapace", "hello"):
        (cloned / name).mkdir(parents=True, exist_ok=True)
        write_files(cloned / name, contents())
    monkeypatch.chdir(cloned)
    await house.installer.settle()
    assert house.runtime.told == []
    assert (await house.installer.list()).reports == ()
    for text in ("./hello", "hello/", "../cloned/hello", "plugins/hello"):
        with pytest.raises(PluginRefused):
            parse_source(text)
    with pytest.raises(PluginRefused, match="There is no registry"):
        await house.installer.install("hello", accept=True, by="t")


@pytest.mark.parametrize("name", ["CARAPACE_PLUGINS_DIR", "OPENCLAW_BUNDLED_PLUGINS_DIR", "PATH"])
async def test_adv_g03_the_environment_moves_no_folder_and_trusts_nobody(
    house, monkeypatch, tmp_path, name
):
    monkeypatch.setenv(name, str(write_files(tmp_path / "other", contents(key=None))))
    await house.installer.settle()
    assert (await house.installer.list()).reports == ()
    for path in PACKAGE_ROOM.glob("*.py"):
        assert not names_used(path) & {"environ", "getenv", "environb", "expandvars"}, path


async def test_adv_g04_of_a_folder_only_the_three_files_are_taken_and_nothing_runs(house, tmp_path):
    folder = write_files(tmp_path / "hello", contents())
    touched = tmp_path / "touched"
    for name in (".npmrc", "package.json", "setup.py", "Makefile", "conftest.py", "install.sh"):
        (folder / name).write_text(f"touch {touched}")
        (folder / name).chmod(0o755)
    await house.installer.install(str(folder), accept=True, by="t")
    (kept,) = (house.root / "store").iterdir()
    assert sorted(path.name for path in kept.iterdir()) == [
        "plugin.sig",
        "plugin.toml",
        "plugin.wasm",
    ]
    assert not touched.exists()
    runs = {"subprocess", "system", "popen", "execv", "exec", "eval", "import_module"}
    for path in PACKAGE_ROOM.glob("*.py"):
        assert not names_used(path) & runs, path


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("the check broke"), Failed("the disk broke")]
)
async def test_adv_g05_a_check_that_breaks_lets_nothing_in(house, monkeypatch, error):
    def broken(*_given: object) -> None:
        raise error

    monkeypatch.setattr(installer_module, "verify", broken)
    with pytest.raises(type(error)):
        await house.installer.install(house.packed(contents()), accept=True, by="t")
    assert (await house.installer.list()).reports == ()
    assert list((house.root / "store").iterdir()) == []


@pytest.mark.parametrize("part", ["manifest", "wasm"])
def test_adv_g06_the_signature_is_over_component_and_manifest(part: str):
    given = contents()
    parts = {"manifest": given.manifest, "wasm": given.wasm}
    parts[part] += b"\n"
    with pytest.raises(PluginRefused) as caught:
        verify(Contents(parts["manifest"], parts["wasm"], given.signature), TRUST)
    assert caught.value.refusal is Refusal.SIGNATURE


def test_adv_g06_only_an_admin_installs_and_no_model_can():
    for row in METHODS.values():
        assert (row.scope, row.role) == (Scope.ADMIN, Role.OPERATOR), row.name
    for scope in Scope:
        granted = effective([scope.value])
        assert allows(granted, Scope.ADMIN) is (scope is Scope.ADMIN)
    for name in builtin_tools():
        assert "plugin" not in name
        assert "install" not in name


async def test_adv_g06_an_admins_word_is_needed_besides_the_scope(house):
    found = await house.installer.install(house.packed(contents()), by="t")
    assert found.state.state == "waits-for-consent"
    assert house.runtime.told == []


@pytest.mark.parametrize("name", ["plugin.wasm", "plugin.toml", "plugin.sig"])
def test_adv_g07_a_link_in_a_folder_or_archive_is_refused(tmp_path: Path, name: str):
    folder = write_files(tmp_path / "hello", contents())
    (folder / name).unlink()
    (folder / name).symlink_to("/etc/passwd")
    with pytest.raises(PluginRefused) as caught:
        read(folder)
    assert caught.value.refusal is Refusal.SOURCE
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for one in ("plugin.wasm", "plugin.toml", "plugin.sig"):
            info = zipfile.ZipInfo(one)
            info.create_system = 3
            info.external_attr = (stat.S_IFLNK if one == name else stat.S_IFREG) << 16
            archive.writestr(info, b"/etc/passwd")
    with pytest.raises(PluginRefused) as caught:
        unpack(buffer.getvalue())
    assert caught.value.refusal is Refusal.ARCHIVE


async def test_adv_g08_what_an_agent_writes_into_its_workspace_is_no_plugin(house, tmp_path):
    for place in ("workspace", "workspace/plugins", "media", "agents/main"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        write_files(tmp_path / place / "hello", contents(roles=("tool",)))
    await house.installer.settle()
    assert (await house.installer.list()).reports == ()
    with pytest.raises(InvalidManifest):
        parse_manifest(manifest_text(roles=("hooks",)).encode())


def test_adv_g09_the_root_is_fixed_and_no_link_replaces_it(tmp_path: Path):
    (tmp_path / "attacker" / "store").mkdir(parents=True)
    (tmp_path / "plugins").symlink_to(tmp_path / "attacker")
    with pytest.raises(Failed):
        PluginFiles(tmp_path / "plugins")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "store").symlink_to(tmp_path / "attacker" / "store")
    with pytest.raises(Failed):
        PluginFiles(tmp_path / "second")


@pytest.mark.parametrize(
    "more",
    [
        'env = {LD_PRELOAD = "/tmp/x.so"}',
        'environment = ["NODE_OPTIONS=--require /tmp/x"]',
        'command = "sh"',
        'install = "npm install"',
        "[env]\nPYTHONPATH = '/tmp'",
    ],
)
def test_adv_g14_g15_a_manifest_sets_no_variable_and_names_no_command(more: str):
    with pytest.raises(InvalidManifest, match="unknown field"):
        parse_manifest(manifest_text(more=more).encode())


async def test_adv_g16_files_of_a_plugin_are_ours_alone(house):
    before = os.umask(0)
    try:
        await house.installer.install(house.packed(contents()), accept=True, by="t")
    finally:
        os.umask(before)
    for path in house.root.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o077 == 0, path
        assert path.lstat().st_uid == os.geteuid()
