"""People are told what a plugin is, may do, and asks for beyond that."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.plugins.package.contents import verify
from carapace.plugins.package.lock import KeptVersion, LockedPlugin
from carapace.plugins.package.publishers import Trust
from carapace.plugins.package.report import difference, report
from carapace.plugins.state import PluginState
from support.packages import PUBLISHER, contents

LAX = Trust.of([PUBLISHER], allow_unsigned=True)


def manifest(permissions: str = "", version: str = "1.0.0"):
    return verify(contents(permissions=permissions, version=version), LAX).manifest


def kept(version: str, publisher: str | None = PUBLISHER) -> KeptVersion:
    return KeptVersion(
        version=version,
        digest=version,
        files={},
        publisher=publisher,
        source="test",
        kept_at_ms=5,
    )


OWN = LockedPlugin(id="hello", versions=(kept("1.0.0"),), active="1.0.0", agreed=manifest().ask)


def test_at_first_all_is_to_be_agreed_to():
    diff = difference(LockedPlugin(id="hello"), kept("1.0.0"), manifest("media = true"))
    assert "put files into the media store and link to them" in diff.added


def test_the_same_again_needs_no_consent():
    assert not difference(OWN, kept("1.1.0"), manifest()).is_wider


def test_a_new_publisher_needs_consent():
    diff = difference(OWN, kept("1.1.0", "ed25519:other"), manifest())
    assert diff.added == ("come from another publisher than before: ed25519:other",)


def test_what_nobody_signed_is_said_and_needs_consent_once():
    unsigned = kept("1.1.0", None)
    assert difference(OWN, unsigned, manifest()).added == ("run although nobody signed it",)
    drafts = replace(OWN, versions=(kept("1.0.0", None),))
    assert not difference(drafts, unsigned, manifest()).is_wider


def test_a_running_plugin_is_told():
    found = report(
        OWN, PluginState("running"), manifest=manifest(), pending=None, rollbacks=("0.9.0",)
    )
    assert (found.name, found.version, found.publisher) == ("Hello", "1.0.0", PUBLISHER)
    assert found.roles == ("tool",)
    assert found.permissions[0] == "be a tool that the assistant may call"
    assert (found.rollbacks, found.pending) == (("0.9.0",), None)


def test_what_waits_is_told_with_the_difference():
    own = replace(OWN, versions=(*OWN.versions, kept("1.1.0")), pending="1.1.0")
    found = report(
        own,
        PluginState("running"),
        manifest=manifest(),
        pending=manifest("media = true", "1.1.0"),
        rollbacks=(),
    )
    assert found.version == "1.0.0"
    assert found.pending is not None
    assert found.pending.added == ("put files into the media store and link to them",)
    assert found.pending.version == found.pending.digest == "1.1.0"


def test_a_plugin_that_only_waits_is_told_by_what_waits():
    own = LockedPlugin(id="hello", versions=(kept("1.0.0"),), pending="1.0.0")
    state = PluginState("waits-for-consent")
    found = report(own, state, manifest=None, pending=manifest(), rollbacks=())
    assert (found.name, found.roles, found.permissions) == ("Hello", ("tool",), ())


def test_a_plugin_whose_manifest_is_gone_has_its_id():
    own = LockedPlugin(id="hello", versions=(kept("1.0.0"),), pending="1.0.0")
    found = report(own, PluginState("refused"), manifest=None, pending=None, rollbacks=())
    assert (found.name, found.description, found.roles, found.pending) == ("hello", "", (), None)
