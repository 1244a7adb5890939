"""What people are told about installed plugins: the list, and what waits for their word. Pure."""

from __future__ import annotations

from carapace.plugins.package.lock import KeptVersion, LockedPlugin
from carapace.plugins.package.manifest import Manifest
from carapace.plugins.package.permissions import PermissionDiff, compare
from carapace.plugins.state import PluginState
from carapace.value import Value

__all__ = ["PendingVersion", "PluginReport", "Plugins", "difference", "report"]

_UNSIGNED = "run although nobody signed it"


class PendingVersion(Value, frozen=True, kw_only=True):
    """A version that waits for consent.

    Attributes:
        version: Which.
        digest: Names exactly that package; who agrees says it.
        publisher: Who signed it; None for an unsigned one.
        added: What it would be allowed beyond what was agreed to, one sentence each.
        removed: What it no longer asks for.
    """

    version: str
    digest: str
    publisher: str | None
    added: tuple[str, ...]
    removed: tuple[str, ...]


class PluginReport(Value, frozen=True, kw_only=True):
    """One plugin.

    Attributes:
        id: Its id.
        name: For people.
        description: For people.
        version: The one in use; of a plugin that only waits, that one.
        state: How it is, and why.
        enabled: Whether somebody wants it to run.
        publisher: Who signed that version; None for an unsigned one.
        roles: What it is.
        permissions: What it was allowed, one sentence each.
        source: Where that version came from.
        kept_at_ms: Since when that version is here.
        rollbacks: Versions one may go back to, the nearest first.
        pending: A version that waits for consent.
    """

    id: str
    name: str
    description: str
    version: str
    state: PluginState
    enabled: bool
    publisher: str | None
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    source: str
    kept_at_ms: int
    rollbacks: tuple[str, ...]
    pending: PendingVersion | None


class Plugins(Value, frozen=True):
    """All of them.

    Attributes:
        reports: By id, in the order of ids.
        trouble: Why the list could not be read, if it could not; no plugin runs then.
    """

    reports: tuple[PluginReport, ...]
    trouble: str | None = None


def difference(own: LockedPlugin, wanted: KeptVersion, manifest: Manifest) -> PermissionDiff:
    """What somebody has to agree to before `wanted` is used.

    A new publisher counts as much as a new permission: whoever it is gets what was agreed to for
    somebody else.
    """
    diff = compare(own.agreed, manifest.ask)
    active = own.kept(own.active)
    if wanted.publisher is None and (active is None or active.publisher is not None):
        return PermissionDiff(added=(_UNSIGNED, *diff.added), removed=diff.removed)
    if active is not None and wanted.publisher != active.publisher:
        changed = f"come from another publisher than before: {wanted.publisher}"
        return PermissionDiff(added=(changed, *diff.added), removed=diff.removed)
    return diff


def report(
    own: LockedPlugin,
    state: PluginState,
    *,
    manifest: Manifest | None,
    pending: Manifest | None,
    rollbacks: tuple[str, ...],
) -> PluginReport:
    """Put together what is told about one plugin.

    Args:
        own: As the lock file has it; with at least one version.
        state: How it is.
        manifest: Of the version in use; None if it cannot be read.
        pending: Of the version that waits, likewise.
        rollbacks: Versions one may go back to.
    """
    shown = own.kept(own.active) or own.versions[-1]
    waiting = own.kept(own.pending)
    told = manifest or pending
    agreed = compare(None, own.agreed).added if own.agreed else ()
    return PluginReport(
        id=own.id,
        name=told.name if told else own.id,
        description=told.description if told else "",
        version=shown.version,
        state=state,
        enabled=own.enabled,
        publisher=shown.publisher,
        roles=own.agreed.roles if own.agreed else (told.roles if told else ()),
        permissions=agreed,
        source=shown.source,
        kept_at_ms=shown.kept_at_ms,
        rollbacks=rollbacks,
        pending=_pending(own, waiting, pending) if waiting and pending else None,
    )


def _pending(own: LockedPlugin, waiting: KeptVersion, manifest: Manifest) -> PendingVersion:
    diff = difference(own, waiting, manifest)
    return PendingVersion(
        version=waiting.version,
        digest=waiting.digest,
        publisher=waiting.publisher,
        added=diff.added,
        removed=diff.removed,
    )
