"""Packages of plugins for tests: signed, unsigned, and a runtime that says what it was told.

The component is a few bytes that no machine could run: signatures and hashes do not care.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carapace.config.settings.plugins import PluginsSettings
from carapace.errors import Failed
from carapace.plugins.package.archive import pack
from carapace.plugins.package.contents import Contents, verify
from carapace.plugins.package.installed import Installed, InstalledPlugin
from carapace.plugins.package.installer import Installer
from carapace.plugins.package.manifest import parse_manifest
from carapace.plugins.package.publishers import Trust, publisher_of
from carapace.plugins.package.signature import sign
from carapace.plugins.package.sources import Sources
from carapace.plugins.package.transparency import Change, Event
from carapace.plugins.ports import HostState, RunPhase
from support.clock import FakeClock
from support.egress import AuditTrail, make_egress

__all__ = [
    "ADMIN",
    "KEY",
    "LOCK_KEY",
    "OTHER_KEY",
    "PUBLISHER",
    "TRUST",
    "WASM",
    "PackageHouse",
    "RecordingRuntime",
    "contents",
    "install",
    "manifest_text",
    "package_house",
    "write_files",
]

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLISHER = publisher_of(KEY.public_key().public_bytes_raw())
TRUST = Trust.of([PUBLISHER])
WASM = b"\x00asm-not-really " * 4
LOCK_KEY = b"a key of the vault, for tests only"
ADMIN = Change("test", 1_000)


def manifest_text(
    *,
    plugin_id: str = "hello",
    version: str = "1.0.0",
    key: Ed25519PrivateKey | None = KEY,
    roles: Sequence[str] = ("tool",),
    permissions: str = "",
    limits: str = "",
    more: str = "",
) -> str:
    """A `plugin.toml`; `permissions` and `limits` are lines of their tables."""
    lines = [
        f'id = "{plugin_id}"',
        f'version = "{version}"',
        'name = "Hello"',
        'wit = "1.0"',
        f"roles = [{', '.join(repr(role) for role in roles)}]",
    ]
    if key is not None:
        lines.append(f'publisher = "{publisher_of(key.public_key().public_bytes_raw())}"')
    lines += [more, "[permissions]", permissions, "[limits]", limits]
    return "\n".join(lines) + "\n"


def contents(
    *,
    wasm: bytes = WASM,
    key: Ed25519PrivateKey | None = KEY,
    plugin_id: str = "hello",
    version: str = "1.0.0",
    roles: Sequence[str] = ("tool",),
    permissions: str = "",
    limits: str = "",
    more: str = "",
) -> Contents:
    """The files of a package; unsigned without a key."""
    text = manifest_text(
        plugin_id=plugin_id,
        version=version,
        key=key,
        roles=roles,
        permissions=permissions,
        limits=limits,
        more=more,
    ).encode()
    if key is None:
        return Contents(text, wasm)
    manifest = parse_manifest(text)
    signature = sign(
        key, manifest=text, wasm_sha256=hashlib.sha256(wasm).hexdigest(), wit=manifest.wit
    )
    return Contents(text, wasm, signature.encode())


def write_files(folder: Path, given: Contents) -> Path:
    """The files of a package in a folder; the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "plugin.toml").write_bytes(given.manifest)
    (folder / "plugin.wasm").write_bytes(given.wasm)
    if given.signature is not None:
        (folder / "plugin.sig").write_bytes(given.signature)
    return folder


@dataclass
class RecordingRuntime:
    """Runs nothing, and says what it was told to run.

    Attributes:
        running: Version of each plugin that was added and not removed.
        told: Everything, in order.
        broken: Versions that do not start.
    """

    running: dict[str, str] = field(default_factory=dict[str, str])
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    broken: set[str] = field(default_factory=set[str])

    async def add(self, installed: InstalledPlugin) -> None:
        self.told.append(("add", installed.version))
        if installed.version in self.broken:
            raise Failed("it imports what it may not")
        self.running[installed.id] = installed.version

    async def remove(self, plugin_id: str) -> None:
        self.told.append(("remove", plugin_id))
        self.running.pop(plugin_id, None)

    def state(self, plugin_id: str) -> HostState:
        is_running = plugin_id in self.running
        return HostState(phase=RunPhase.RUNNING if is_running else RunPhase.STOPPED)


@dataclass
class PackageHouse:
    """An installer over real files, and everything around it.

    Attributes:
        settings: What it goes by; replace it and call `installer.settle`.
    """

    folder: Path
    installer: Installer
    runtime: RecordingRuntime
    clock: FakeClock
    trail: AuditTrail
    settings: PluginsSettings

    @property
    def root(self) -> Path:
        """The plugins folder."""
        return self.folder / "plugins"

    def packed(self, given: Contents, name: str = "p.carapace-plugin") -> str:
        """A package file; its path."""
        path = self.folder / name
        path.write_bytes(pack(given))
        return str(path)

    def kept(self, name: str) -> list[Path]:
        """All files of that name in the store."""
        return sorted((self.root / "store").glob(f"*/{name}"))


def package_house(folder: Path, settings: PluginsSettings | None = None) -> PackageHouse:
    """A house whose operator trusts `PUBLISHER`; again on the same folder, it is restarted."""
    clock, runtime = FakeClock(), RecordingRuntime()
    egress, trail = make_egress(folder)
    house: PackageHouse
    installer = Installer(
        folder / "plugins",
        LOCK_KEY,
        sources=Sources(egress, lambda: house.settings.registry),
        settings=lambda: house.settings,
        runtime=runtime,
        clock=clock,
        audit=trail.audit,
    )
    house = PackageHouse(
        folder,
        installer,
        runtime,
        clock,
        trail,
        settings or PluginsSettings(trusted_publishers=(PUBLISHER,)),
    )
    return house


def install(folder: Path, given: Contents, *, trust: Trust = TRUST) -> Installed:
    """Keep a package and agree to it, without a runtime."""
    store = Installed(folder, LOCK_KEY)
    package = verify(given, trust)
    store.stage(package, source="test", change=ADMIN)
    found = store.load_version(package.manifest.id, package.digest, trust)
    store.activate(found, ADMIN, event=Event.INSTALLED)
    return store
