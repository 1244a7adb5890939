"""What is given is decoded first, then compared; what proves nothing never passes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from carapace.triggers.signatures import (
    bearer_token,
    body_signature,
    decode_mac,
    one_of,
    sign_timestamped,
    timestamped_signature,
)
from carapace.triggers.webhook_types import RawRequest, Rejected, Replay, Verified, Verify
from support.webhooks import raw

SECRET = "sesame-sesame-sesame"
MAC = hmac.digest(SECRET.encode(), b"{}", "sha256")
AT_S = 1_767_225_600
TIMED = hmac.digest(SECRET.encode(), b"%d.{}" % AT_S, "sha256")


def spellings(mac: bytes) -> list[str]:
    standard = base64.b64encode(mac).decode()
    url = base64.urlsafe_b64encode(mac).decode()
    plain = [mac.hex(), mac.hex().upper(), standard, url, standard.rstrip("="), url.rstrip("=")]
    return [*plain, *(f"sha256={one}" for one in plain), f"SHA256={mac.hex()}", f" {mac.hex()} "]


def check(verify: Verify | None, body: bytes = b"{}", **more: Any) -> Verified | Rejected:
    assert verify is not None
    return verify(raw(body, **more))


def reason(outcome: Verified | Rejected) -> str | None:
    return outcome.reason if isinstance(outcome, Rejected) else None


@pytest.mark.parametrize("text", spellings(MAC))
def test_every_spelling_is_the_same_value(text: str):
    assert decode_mac(text) == MAC


@pytest.mark.parametrize(
    "text", ["", "00", MAC.hex()[:-1], MAC.hex() + "0", "sha1=" + MAC.hex(), "=" * 44, "é" * 64]
)
def test_what_is_no_mac_is_none(text: str):
    assert decode_mac(text) is None


@pytest.mark.parametrize("text", spellings(MAC))
def test_a_body_signature_passes_in_every_spelling_with_one_key(text: str):
    verify = body_signature(SECRET, header="X-Sig", account="a")
    assert check(verify, headers={"x-sig": text}) == Verified(account="a", replay=Replay(key=MAC))


def test_a_body_signature_may_allow_repeats():
    verify = body_signature(SECRET, header="X-Sig", drops_repeats=False)
    assert check(verify, headers={"X-Sig": MAC.hex()}) == Verified()


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "no-signature"),
        ({"X-Sig": ""}, "no-signature"),
        ({"X-Sig": "x" * 2_000}, "no-signature"),
        ({"X-Sig": (MAC.hex(), MAC.hex())}, "no-signature"),
        ({"X-Sig": "0" * 64}, "signature"),
    ],
)
def test_a_wrong_body_signature_is_rejected(headers: dict[str, Any], why: str):
    assert reason(check(body_signature(SECRET, header="X-Sig"), headers=headers)) == why


def test_a_body_signature_covers_every_byte():
    verify = body_signature(SECRET, header="X-Sig")
    assert reason(check(verify, b"{} ", headers={"X-Sig": MAC.hex()})) == "signature"


@pytest.mark.parametrize(
    "value",
    [
        sign_timestamped(SECRET, b"{}", AT_S),
        f"v1={TIMED.hex().upper()} , t={AT_S}",
        f"t={AT_S},v1={'0' * 64},v1={TIMED.hex()}",
        f"t={AT_S},v0=zzz,v1={base64.b64encode(TIMED).decode()}",
    ],
)
def test_a_timed_signature_passes(value: str):
    verified = check(timestamped_signature(SECRET), headers={"X-Carapace-Signature": value})
    assert verified == Verified(replay=Replay(key=TIMED, ttl_s=900.0))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "no-timestamp"),
        (TIMED.hex(), "no-timestamp"),
        (f"t=0{AT_S},v1={TIMED.hex()}", "no-timestamp"),
        (f"t=+{AT_S},v1={TIMED.hex()}", "no-timestamp"),
        (f"t={AT_S},t={AT_S},v1={TIMED.hex()}", "no-timestamp"),
        (f"t={AT_S}", "signature"),
        (f"t={AT_S + 1},v1={TIMED.hex()}", "signature"),
        (f"t={AT_S},{','.join(['v1=00'] * 4)},v1={TIMED.hex()}", "signature"),
        (f"t={AT_S},v1={TIMED.hex()}" + " " * 2_000 + "x", None),
    ],
)
def test_a_wrong_timed_signature_is_rejected(value: str, why: str | None):
    outcome = check(timestamped_signature(SECRET), headers={"X-Carapace-Signature": value})
    assert reason(outcome) == why


@pytest.mark.parametrize(
    ("off_s", "why"), [(300, None), (-300, None), (301, "stale"), (-301, "stale")]
)
def test_a_timed_signature_grows_old(off_s: int, why: str | None):
    headers = {"X-Carapace-Signature": sign_timestamped(SECRET, b"{}", AT_S)}
    outcome = check(timestamped_signature(SECRET), headers=headers, at_ms=(AT_S + off_s) * 1000)
    assert reason(outcome) == why


def test_a_time_may_be_in_a_header_of_its_own():
    verify = timestamped_signature(SECRET, header="X-Sig", timestamp_header="X-Time")
    headers = {"X-Sig": "sha256=" + TIMED.hex(), "X-Time": str(AT_S)}
    assert isinstance(check(verify, headers=headers), Verified)
    assert reason(check(verify, headers={"X-Sig": TIMED.hex()})) == "no-timestamp"


def test_a_timed_signature_is_the_hmac_of_time_dot_body():
    expected = hmac.new(b"k" * 16, b"12.body", hashlib.sha256).hexdigest()
    assert sign_timestamped("k" * 16, b"body", 12) == f"t=12,v1={expected}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {SECRET}"},
        {"authorization": f"bearer   {SECRET} "},
        {"X-Token": SECRET},
        {"X-Other": SECRET},
    ],
)
def test_a_token_passes(headers: dict[str, str]):
    verify = bearer_token(SECRET, headers=("X-Token", "x-other"), account="a")
    assert check(verify, headers=headers) == Verified(account="a")


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "no-token"),
        ({"Authorization": SECRET}, "no-token"),
        ({"Authorization": "Bearer "}, "no-token"),
        ({"Authorization": f"Basic {SECRET}", "X-Token": SECRET}, "no-token"),
        ({"Authorization": (f"Bearer {SECRET}", "Bearer x")}, "no-token"),
        ({"X-Token": SECRET, "X-Other": "x"}, "no-token"),
        ({"X-Token": (SECRET, SECRET)}, "no-token"),
        ({"X-Token": SECRET + "x"}, "token"),
        ({"Authorization": f"Bearer {SECRET[:-1]}"}, "token"),
        ({"Authorization": "Bearer \udcff"}, "token"),
    ],
)
def test_a_wrong_token_is_rejected(headers: dict[str, Any], why: str):
    verify = bearer_token(SECRET, headers=("X-Token", "X-Other"))
    assert reason(check(verify, headers=headers)) == why


@pytest.mark.parametrize("query", [f"token={SECRET}", "a=1&TOKEN=x", "token"])
def test_a_token_in_the_query_is_refused_even_beside_a_right_one(query: str):
    outcome = check(
        bearer_token(SECRET), query=query, headers={"Authorization": f"Bearer {SECRET}"}
    )
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.status) == ("token-in-query", 400)


@pytest.mark.parametrize("secret", [None, "", "  "])
def test_without_a_secret_there_is_no_check(secret: str | None):
    assert body_signature(secret, header="X") is None
    assert timestamped_signature(secret) is None
    assert bearer_token(secret) is None
    assert one_of({"a": None}) is None


def test_accounts_on_one_path_are_told_apart_by_their_secret():
    verify = one_of(
        {
            "a": body_signature("secret-a", header="X-Sig"),
            "b": body_signature("secret-b", header="X-Sig"),
            "off": None,
        }
    )
    mac = hmac.digest(b"secret-b", b"{}", "sha256")
    assert check(verify, headers={"X-Sig": mac.hex()}) == Verified(
        account="b", replay=Replay(key=mac)
    )
    assert reason(check(verify, headers={"X-Sig": "0" * 64})) == "signature"


def test_a_request_that_could_be_anybodys_is_rejected():
    same = {name: body_signature(SECRET, header="X-Sig") for name in ("a", "b")}
    assert reason(check(one_of(same), headers={"X-Sig": MAC.hex()})) == "ambiguous"


def test_every_account_is_tried_always():
    tried: list[str] = []

    def make(name: str, outcome: Verified | Rejected) -> Verify:
        def verify(_raw: RawRequest) -> Verified | Rejected:
            tried.append(name)
            return outcome

        return verify

    check(one_of({"a": make("a", Verified()), "b": make("b", Rejected(reason="x"))}))
    assert tried == ["a", "b"]
