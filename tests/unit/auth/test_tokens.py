"""A device token is derived, bound to its device, role and generation, and never stored."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.auth.compare import digest
from carapace.auth.tokens import KEY_NAME, DeviceTokens
from carapace.protocol.scopes import Role
from support.auth import MemoryVault

ME, OTHER = "a" * 64, "b" * 64
TOKENS = DeviceTokens("k" * 43)
GRANT = TOKENS.first(ME, Role.OPERATOR, ("operator.write",), now_ms=5)


def test_the_token_is_the_same_every_time_and_only_its_digest_is_kept():
    token = TOKENS.token_of(ME, GRANT)
    assert token == DeviceTokens("k" * 43).token_of(ME, GRANT)
    assert len(token) == 43
    assert GRANT.token_digest == digest(token)
    assert token not in repr(GRANT)


def test_device_role_generation_and_key_all_matter():
    tokens = {
        TOKENS.token_of(ME, GRANT),
        TOKENS.token_of(OTHER, GRANT),
        TOKENS.token_of(ME, replace(GRANT, role=Role.NODE)),
        TOKENS.token_of(ME, replace(GRANT, generation=2)),
        DeviceTokens("l" * 43).token_of(ME, GRANT),
    }
    assert len(tokens) == 5


def test_accepted_for_scopes_within_its_own():
    token = TOKENS.token_of(ME, GRANT)
    assert TOKENS.accepts(token, GRANT, ("operator.read",))
    assert TOKENS.accepts(token, GRANT, ())
    assert not TOKENS.accepts(token, GRANT, ("operator.admin",))
    assert not TOKENS.accepts("guess", GRANT, ())
    assert not TOKENS.accepts(None, GRANT, ())
    assert not TOKENS.accepts(token, None, ())
    assert not TOKENS.accepts(token, replace(GRANT, revoked_at_ms=1), ())


def test_rotation_ends_the_old_token_and_any_revocation():
    old = TOKENS.token_of(ME, GRANT)
    revoked = replace(GRANT, revoked_at_ms=7, last_used_at_ms=6)
    fresh = TOKENS.rotated(ME, revoked, ("operator.read",), now_ms=9)
    assert not TOKENS.accepts(old, fresh, ())
    assert TOKENS.accepts(TOKENS.token_of(ME, fresh), fresh, ("operator.read",))
    assert (fresh.revoked_at_ms, fresh.last_used_at_ms, fresh.rotated_at_ms) == (None, None, 9)


def test_hello_shows_when_the_present_token_was_made():
    assert TOKENS.hello(ME, GRANT).issued_at_ms == 5
    assert TOKENS.hello(ME, TOKENS.rotated(ME, GRANT, (), now_ms=9)).issued_at_ms == 9


async def test_the_key_is_made_once_and_kept_in_the_vault():
    vault = MemoryVault()
    first, second = await DeviceTokens.open(vault), await DeviceTokens.open(vault)
    assert await vault.names() == [KEY_NAME]
    assert first.token_of(ME, GRANT) == second.token_of(ME, GRANT)
    assert not first.is_current(ME, GRANT)
    assert first.is_current(ME, first.first(ME, Role.NODE, (), now_ms=1))
