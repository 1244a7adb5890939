"""Whatever a stranger sends, the parsers of webhooks answer with a value or a refusal."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from carapace.triggers.bounded_json import depth_of, json_object
from carapace.triggers.hook_requests import agent_hook, idempotency_key, wake_hook
from carapace.triggers.hook_templates import Source, render
from carapace.triggers.signatures import (
    bearer_token,
    body_signature,
    decode_mac,
    sign_timestamped,
    timestamped_signature,
)
from carapace.triggers.webhook_paths import Paths
from carapace.triggers.webhook_types import BadBody, Rejected, Verified
from support.webhooks import raw, route

SECRET = "sesame-sesame-sesame"
AT_S = 1_767_225_600
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner)
)


@given(st.binary(max_size=200))
def test_any_body_becomes_an_object_or_is_refused(body: bytes):
    try:
        value = json_object(raw(body))
    except BadBody:
        return
    assert isinstance(value, dict)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@given(json_values)
def test_depth_is_what_the_value_has(value: Any):
    assert depth_of(json.dumps(value).encode()) == min(_depth(value), 65)


@given(
    st.dictionaries(st.sampled_from(["text", "mode", "message", "id", "to", "model"]), json_values)
)
def test_any_object_is_a_hook_or_refused(body: dict[str, Any]):
    for make in (wake_hook, lambda one: agent_hook(one, ("matrix",))):
        try:
            made: Any = make(body)
        except BadBody:
            continue
        assert getattr(made, "text", None) or getattr(made, "message", None)
    try:
        key = idempotency_key(raw(), body)
    except BadBody:
        return
    assert key is None or key.isprintable()


@given(st.text(max_size=100), json_values)
def test_any_template_renders(text: str, payload: Any):
    assert isinstance(render(text, Source(payload=payload)), str)


@given(st.text(max_size=60).filter(lambda text: "{{" not in text), st.text(max_size=40))
def test_what_is_filled_in_is_not_read_again(text: str, value: str):
    rendered = render(f"{text}{{{{a}}}}", Source(payload={"a": value, "b": "no"}))
    assert rendered == text + value


@given(st.binary(min_size=32, max_size=32))
def test_a_mac_is_read_in_all_its_spellings(mac: bytes):
    for text in (mac.hex(), mac.hex().upper()):
        assert decode_mac(text) == mac
    # 43 digits of base64 can also be 43 letters of nothing else: hexadecimal has 64.
    for encoded in (base64.b64encode(mac), base64.urlsafe_b64encode(mac)):
        assert decode_mac(encoded.decode()) == mac
        assert decode_mac(encoded.decode().rstrip("=")) == mac


@given(st.text(max_size=200))
def test_any_text_is_a_mac_or_none(text: str):
    decoded = decode_mac(text)
    assert decoded is None or len(decoded) == 32


header_text = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=120)


@given(header_text, st.binary(max_size=50))
def test_nobody_gets_in_by_chance(value: str, body: bytes):
    for verify, name in (
        (body_signature(SECRET, header="X"), "X"),
        (timestamped_signature(SECRET, header="X"), "X"),
        (bearer_token(SECRET), "Authorization"),
    ):
        assert verify is not None
        assert isinstance(verify(raw(body, headers={name: value})), Rejected)


@given(st.binary(max_size=200))
def test_what_we_sign_is_right_and_one_bit_makes_it_wrong(body: bytes):
    verify = timestamped_signature(SECRET)
    assert verify is not None
    headers = {"X-Carapace-Signature": sign_timestamped(SECRET, body, AT_S)}
    assert isinstance(verify(raw(body, headers=headers)), Verified)
    for other in (body + b"\0", bytes([*body[:-1], (body[-1] if body else 0) ^ 1])):
        assert isinstance(verify(raw(other, headers=headers)), Rejected)
    expected = hmac.digest(SECRET.encode(), b"%d." % AT_S + body, "sha256")
    assert headers["X-Carapace-Signature"].endswith(expected.hex())


@given(st.text(max_size=80))
def test_no_other_path_finds_a_route(path: str):
    paths = Paths()
    paths.add(route("/hooks/mail"))
    paths.add(route("/deep/*"))
    found = paths.find(path)
    if found is not None:
        assert found.route is not None
        assert path == "/hooks/mail" or path.startswith("/deep/")


@given(json_values)
def test_what_is_printed_for_a_value_is_json_again(value: Any):
    text = render("{{a}}", Source(payload={"a": value}))
    if isinstance(value, dict | list):
        assert msgspec.json.decode(text) == value
