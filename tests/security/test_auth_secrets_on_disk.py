"""No file under the state folder shows the shared token or a device token."""

from __future__ import annotations

import base64
from pathlib import Path

from carapace.auth.pairing import Pairing
from carapace.auth.revocation import Revocations
from carapace.auth.service import Authenticator
from carapace.auth.shared import SharedCredential
from carapace.auth.tokens import DeviceTokens
from carapace.credentials.keysource import KeySources
from carapace.credentials.sealed import SealedVault
from carapace.ids import ConnId
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from support.auth import LOCAL, NONCE, Identity, connect_params, gateway
from support.clock import FakeClock


async def _live_through_it(state: Path, keys: Path) -> list[str]:
    """Start without a credential, pair a device; all secrets that came into being."""
    clock, redactor, settings = FakeClock(), Redactor(), gateway(auth={})
    vault = await SealedVault.open(state / "vault.json", KeySources({}, keys))
    audit = Audit(state / "audit", clock=clock, redactor=redactor)
    revocations = Revocations(lambda _matches, _reason: None)
    shared = await SharedCredential.open(
        settings.auth, vault, audit=audit, revocations=revocations, redactor=redactor
    )
    tokens = await DeviceTokens.open(vault)
    database = await SqliteDatabase.open(state / "carapace.db")
    pairing = Pairing(database, tokens, clock=clock, publish=lambda _: None, audit=audit)
    auth = Authenticator(
        settings,
        shared=shared,
        tokens=tokens,
        pairing=pairing,
        revocations=revocations,
        whois=None,
        clock=clock,
        audit=audit,
        metrics=Metrics("0", with_process=False),
    )
    token = shared.reveal().reveal()
    admission = await auth.connect(
        connect_params(Identity(), token=token), LOCAL, nonce=NONCE, conn_id=ConnId("c1")
    )
    await database.close()
    audit.close()
    assert admission.device_token is not None
    key = await vault.get("device-token-key")
    assert key is not None
    return [token, admission.device_token.device_token, key]


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_state_folder_holds_no_secret_in_plain(tmp_path: Path):
    secrets = await _live_through_it(tmp_path / "state", tmp_path / "keys")
    files = _files(tmp_path)
    assert {"vault.json", "carapace.db", "audit.jsonl"} <= {path.name for path in files}
    for secret in secrets:
        for needle in (secret.encode(), base64.b64encode(secret.encode())):
            assert [path for path, content in files.items() if needle in content] == []
