"""What is installed: verified packages in a folder, and the one list that says which count.

Nothing is remembered between two calls: each load reads lock, log and every byte of the package
from the disk and checks them against each other, the signature and what was agreed to. Whatever
does not fit is refused by name. All of this blocks: call it from a thread, one call at a time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from carapace.plugins.package.contents import (
    MANIFEST_NAME,
    MAX_WASM_BYTES,
    SIGNATURE_NAME,
    WASM_NAME,
    Contents,
    Package,
    verify,
)
from carapace.plugins.package.files import PluginFiles, disk_failure
from carapace.plugins.package.ledger import Ledger
from carapace.plugins.package.lock import KeptVersion, Lock, LockedPlugin, highest
from carapace.plugins.package.manifest import (
    MAX_MANIFEST_BYTES,
    InvalidManifest,
    Manifest,
    parse_manifest,
)
from carapace.plugins.package.order import check_floor, check_order, worth_keeping
from carapace.plugins.package.permissions import compare
from carapace.plugins.package.publishers import Trust
from carapace.plugins.package.signature import MAX_SIGNATURE_BYTES
from carapace.plugins.package.transparency import Change, Event
from carapace.plugins.state import PluginRefused, Refusal
from carapace.value import Value

__all__ = ["Installed", "InstalledPlugin"]

_CAPS: Final = {
    MANIFEST_NAME: MAX_MANIFEST_BYTES,
    WASM_NAME: MAX_WASM_BYTES,
    SIGNATURE_NAME: MAX_SIGNATURE_BYTES,
}


class InstalledPlugin(Value, frozen=True, kw_only=True):
    """A plugin whose every byte was just verified.

    Attributes:
        manifest: What it is and asks for; all of it was agreed to.
        digest: Names exactly this package.
        wasm: The component; whoever opens it later compares `wasm_sha256` again.
        wasm_sha256: In hex.
        is_signed: Whether a trusted publisher vouches for it; if not, say so wherever it shows.
    """

    manifest: Manifest
    digest: str
    wasm: Path
    wasm_sha256: str
    is_signed: bool

    @property
    def id(self) -> str:
        """Its id."""
        return self.manifest.id

    @property
    def version(self) -> str:
        """Its version."""
        return self.manifest.version


class Installed:
    """The plugins folder.

    Args:
        root: Made if missing.
        key: Vouches for the lock file; at least 16 bytes that are not in `root`.

    Raises:
        Failed: If the folder cannot be used.
    """

    def __init__(self, root: Path, key: bytes) -> None:
        self._files = PluginFiles(root)
        self._ledger = Ledger(self._files, key)

    def close(self) -> None:
        """Let go of the folder."""
        self._files.close()

    def read(self) -> Lock:
        """The list, checked against the log.

        Raises:
            PluginRefused: If one of the two was changed from outside.
        """
        return self._ledger.read()[0]

    def load(self, plugin_id: str, trust: Trust) -> InstalledPlugin:
        """The version that is to run, every byte of it checked now.

        Raises:
            PluginRefused: If anything about it is not as it was when it was agreed to.
        """
        own = self._own(self.read(), plugin_id)
        if own.active is None:
            raise PluginRefused(Refusal.CONSENT, f"{plugin_id} waits until somebody agrees to it")
        found = self.load_version(plugin_id, own.active, trust)
        if own.agreed is None or compare(own.agreed, found.manifest.ask).is_wider:
            raise PluginRefused(
                Refusal.CONSENT, f"{plugin_id} asks for more than was agreed to; install it anew"
            )
        return found

    def load_version(self, plugin_id: str, digest: str, trust: Trust) -> InstalledPlugin:
        """A version that is kept, whether or not it is in use, checked likewise.

        Raises:
            PluginRefused: If it is not as it was when it was installed, or may no longer be used.
        """
        lock, lines = self._ledger.read()
        own = self._own(lock, plugin_id)
        kept = own.kept(digest)
        if kept is None:
            raise PluginRefused(Refusal.UNKNOWN, f"this version of {plugin_id} is not kept here")
        if not any((one.plugin, one.digest) == (plugin_id, digest) for one in lines):
            raise PluginRefused(
                Refusal.LOG, f"the log of installations knows nothing of this {plugin_id}"
            )
        check_floor(own, kept.version)
        package = verify(self._contents(plugin_id, kept), trust)
        said = (package.manifest.id, package.manifest.version, package.digest)
        if said != (plugin_id, kept.version, digest):
            raise _changed(plugin_id, MANIFEST_NAME)
        return InstalledPlugin(
            manifest=package.manifest,
            digest=digest,
            wasm=self._files.path(digest, WASM_NAME),
            wasm_sha256=package.wasm_sha256,
            is_signed=package.is_signed,
        )

    def stage(self, package: Package, *, source: str, change: Change) -> LockedPlugin:
        """Keep a verified package; it waits until `activate`.

        Raises:
            PluginRefused: If a higher version has run, or this one is known with other contents.
            Failed: If the disk does not take it.
        """
        lock = self.read()
        manifest = package.manifest
        own = lock.plugins.get(manifest.id, LockedPlugin(id=manifest.id))
        check_order(own, package)
        kept = own.kept(package.digest) or KeptVersion(
            version=manifest.version,
            digest=package.digest,
            files={name: _sha256(data) for name, data in _named(package.contents).items()},
            publisher=manifest.publisher,
            source=source,
            kept_at_ms=change.at_ms,
        )
        try:
            self._files.keep(package.digest, _named(package.contents))
        except OSError as error:
            raise disk_failure(error) from error
        others = tuple(o for o in own.versions if o.digest not in {package.digest, own.pending})
        # Again what is in use: its files were written anew, and there is nothing to agree to.
        pending = package.digest if package.digest != own.active else None
        staged = replace(own, versions=(*others, kept), pending=pending)
        self._ledger.commit(lock, staged, kept, Event.STAGED, change)
        return staged

    def activate(self, found: InstalledPlugin, change: Change, *, event: Event) -> LockedPlugin:
        """Use this version from now on, and agree to what it asks for.

        Args:
            found: As `load_version` gave it.
            change: Who agreed.
            event: `INSTALLED`, `UPGRADED` or `ROLLED_BACK`.

        Raises:
            PluginRefused: If the list was changed from outside meanwhile.
            Failed: If the disk does not take it.
        """
        lock = self.read()
        own = self._own(lock, found.id)
        kept = own.kept(found.digest)
        if kept is None:
            raise PluginRefused(Refusal.UNKNOWN, f"this version of {found.id} is not kept here")
        used = replace(
            own,
            versions=worth_keeping(own, kept),
            active=found.digest,
            pending=own.pending if own.pending != found.digest else None,
            agreed=found.manifest.ask,
            highest=highest(own.highest, found.version),
            floor=highest(own.floor, found.manifest.rollback_floor),
        )
        self._ledger.commit(lock, used, kept, event, change, floor=found.manifest.rollback_floor)
        return used

    def switch(self, plugin_id: str, change: Change, *, enabled: bool) -> LockedPlugin:
        """Let it run, or not.

        Raises:
            PluginRefused: If there is no such plugin.
            Failed: If the disk does not take it.
        """
        lock = self.read()
        own = self._own(lock, plugin_id)
        switched = replace(own, enabled=enabled)
        event = Event.ENABLED if enabled else Event.DISABLED
        self._ledger.commit(lock, switched, _newest(own), event, change)
        return switched

    def remove(self, plugin_id: str, change: Change) -> None:
        """Forget a plugin with all its versions; how far back one may go is remembered.

        Raises:
            PluginRefused: If there is no such plugin.
            Failed: If the disk does not take it.
        """
        lock = self.read()
        own = self._own(lock, plugin_id)
        gone = LockedPlugin(id=plugin_id, highest=own.highest, floor=own.floor)
        self._ledger.commit(lock, gone, _newest(own), Event.REMOVED, change)

    def discard(self, plugin_id: str, change: Change) -> None:
        """Let go of a version that waits for consent; what runs goes on.

        Raises:
            PluginRefused: If there is no such plugin.
            Failed: If the disk does not take it.
        """
        lock = self.read()
        own = self._own(lock, plugin_id)
        kept = own.kept(own.pending)
        if kept is None:
            return
        left = replace(
            own, versions=tuple(o for o in own.versions if o.digest != kept.digest), pending=None
        )
        self._ledger.commit(lock, left, kept, Event.REMOVED, change)

    def manifest(self, kept: KeptVersion) -> Manifest | None:
        """What a kept version says about itself, for people; None if that was changed."""
        try:
            data = self._files.read(kept.digest, MANIFEST_NAME, max_bytes=MAX_MANIFEST_BYTES)
            is_same = _sha256(data) == kept.files.get(MANIFEST_NAME)
            return parse_manifest(data) if is_same else None
        except (OSError, InvalidManifest):
            return None

    def _contents(self, plugin_id: str, kept: KeptVersion) -> Contents:
        """The files of a kept version, each compared with the lock file."""
        try:
            if self._files.names(kept.digest) - set(kept.files):
                raise _changed(plugin_id, "a file that does not belong there")
        except OSError as error:
            raise _changed(plugin_id, "its folder") from error
        found: dict[str, bytes] = {}
        for name, sha256 in kept.files.items():
            try:
                data = self._files.read(kept.digest, name, max_bytes=_CAPS[name])
            except (OSError, KeyError) as error:
                raise _changed(plugin_id, name) from error
            if _sha256(data) != sha256:
                raise _changed(plugin_id, name)
            found[name] = data
        return Contents(found[MANIFEST_NAME], found[WASM_NAME], found.get(SIGNATURE_NAME))

    def _own(self, lock: Lock, plugin_id: str) -> LockedPlugin:
        own = lock.plugins.get(plugin_id)
        if own is None or not own.versions:
            raise PluginRefused(
                Refusal.UNKNOWN,
                f"There is no plugin {plugin_id[:40]!r} here. See: cara plugin list",
            )
        return own


def _named(contents: Contents) -> dict[str, bytes]:
    files = {MANIFEST_NAME: contents.manifest, WASM_NAME: contents.wasm}
    return files | ({SIGNATURE_NAME: contents.signature} if contents.signature else {})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _newest(own: LockedPlugin) -> KeptVersion:
    return own.kept(own.active) or own.versions[-1]


def _changed(plugin_id: str, what: str) -> PluginRefused:
    return PluginRefused(
        Refusal.CHANGED,
        f"{plugin_id} is not as it was installed: {what} was changed, removed or added. Install "
        "the same version again, and find out who can write into the plugins folder",
    )
