"""A refusal fits into a close frame; shared secrets are known as such."""

from __future__ import annotations

from carapace.auth.types import ConnectRefused, CredentialKind


def test_close_reason_fits_a_control_frame_and_stays_text():
    refused = ConnectRefused("ä" * 200, reason="x")
    assert len(refused.close_reason.encode()) <= 123
    assert refused.close_reason == "ä" * 61
    assert refused.message == "ä" * 200


def test_only_token_and_password_are_shared():
    shared = {kind for kind in CredentialKind if kind.is_shared}
    assert shared == {CredentialKind.TOKEN, CredentialKind.PASSWORD}
