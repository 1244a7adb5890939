"""One shared credential, asked at every request, generated if nobody chose one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.auth.shared import VAULT_NAME
from carapace.auth.types import CredentialKind
from carapace.errors import Refused
from support.auth import SHARED, Identity, connect_params, gateway, rig


async def test_none_configured_means_one_is_generated_and_kept():
    async with rig(gateway(auth={})) as r:
        token = r.shared.reveal().reveal()
        assert len(token) >= 40
        assert r.vault.kept[VAULT_NAME] == token
        assert (r.shared.source, r.shared.kind) == ("vault", CredentialKind.TOKEN)
        assert r.shared.matches(token, None)
        assert token not in repr(r.shared.reveal())


@pytest.mark.parametrize("blank", ["", "   "])
async def test_a_blank_token_is_no_token(blank: str):
    async with rig(gateway(auth={"token": blank})) as r:
        assert r.shared.source == "vault"
        assert not r.shared.matches(blank, None)


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        ({"token": "t"}, CredentialKind.TOKEN),
        ({"password": "p"}, CredentialKind.PASSWORD),
        ({"token": "t", "password": "p"}, CredentialKind.TOKEN),
        ({"mode": "password", "token": "t", "password": "p"}, CredentialKind.PASSWORD),
        ({"mode": "token", "password": "p"}, CredentialKind.TOKEN),
    ],
)
async def test_the_mode_decides_and_only_its_secret_counts(
    auth: dict[str, Any], kind: CredentialKind
):
    async with rig(gateway(auth=auth)) as r:
        assert r.shared.kind is kind
        secret = r.shared.reveal().reveal()
        is_token = kind is CredentialKind.TOKEN
        assert r.shared.matches(secret if is_token else None, None if is_token else secret)
        assert not r.shared.matches(None if is_token else secret, secret if is_token else None)
        assert r.shared.matches_bearer(secret)


async def test_password_mode_without_a_password_does_not_start():
    with pytest.raises(Refused, match=r"gateway\.auth\.password"):
        async with rig(gateway(auth={"mode": "password"})):
            pass


async def test_rotation_replaces_the_token_and_closes_its_connections():
    async with rig(gateway(auth={})) as r:
        old = r.shared.reveal().reveal()
        by_shared = (await r.connect(connect_params(token=old))).caller
        me = Identity()
        hello = (await r.connect(connect_params(me, token=old))).device_token
        assert hello is not None
        by_device = (await r.connect(connect_params(me, token=hello.device_token))).caller
        fresh = (await r.shared.rotate()).reveal()
        assert fresh != old
        assert r.vault.kept[VAULT_NAME] == fresh
        assert by_shared in [closed for closed, _ in r.closed]
        assert r.live == [by_device]
        assert "mismatch" in (await r.refused(connect_params(token=old))).message
        assert await r.connect(connect_params(token=fresh))
        assert "auth.credential_changed" in r.kinds()


async def test_a_configured_credential_is_not_rotated_here():
    async with rig() as r:
        with pytest.raises(Refused, match=r"gateway\.auth\.token"):
            await r.shared.rotate()
        assert r.shared.matches(SHARED, None)


async def test_reload_changes_the_credential_only_if_it_can():
    async with rig() as r:
        await r.shared.apply(r.settings.auth)
        assert r.revocations.epoch == 0
        broken = msgspec.structs.replace(r.settings.auth, mode="password")
        with pytest.raises(Refused):
            await r.shared.apply(broken)
        assert r.shared.matches(SHARED, None)
        await r.shared.apply(msgspec.structs.replace(r.settings.auth, token=None))
        assert not r.shared.matches(SHARED, None)
        assert r.shared.source == "vault"
        assert r.revocations.epoch == 1


async def test_no_line_can_show_the_secret():
    async with rig() as r:
        assert SHARED not in r.redactor.text(f"token is {SHARED}")
