"""Params that do not fit are refused with every problem, in the validator's words."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from carapace.errors import Refused
from carapace.protocol.connect import ConnectParams
from carapace.protocol.registry import MethodRow
from carapace.protocol.scopes import Role, Scope
from carapace.protocol.validation import decode_params


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Params(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    key: str
    limit: Annotated[int, Meta(ge=1, le=10)] = 5
    mode: Literal["a", "b"] = "a"
    keys: Annotated[list[str], Meta(min_length=1, max_length=2)] = msgspec.field(
        default_factory=lambda: ["x"]
    )
    is_on: bool = False
    inner: Inner | None = None
    short: Annotated[str, Meta(min_length=2, max_length=3)] = "ab"


class Lenient(msgspec.Struct):
    probe: bool = False


def row(params, *, lenient=False):
    return MethodRow(
        name="x.y",
        scope=Scope.READ,
        role=Role.OPERATOR,
        params=params,
        result=None,
        handler=lambda ctx: None,
        is_async=False,
        summary="",
        lenient=lenient,
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{}", "must have required property 'key'"),
        (b'{"y":1}', "must have required property 'key'; at root: unexpected property 'y'"),
        (b'{"key":"a","y":1}', "at root: unexpected property 'y'"),
        (b'{"key":"a","limit":0}', "at /limit: must be >= 1"),
        (b'{"key":"a","limit":11}', "at /limit: must be <= 10"),
        (b'{"key":"a","limit":"x"}', "at /limit: must be integer"),
        (b'{"key":5}', "at /key: must be string"),
        (b'{"key":"a","isOn":1}', "at /isOn: must be boolean"),
        (
            b'{"key":"a","mode":"c"}',
            "at /mode: must be equal to constant; must match a schema in anyOf",
        ),
        (b'{"key":"a","keys":[]}', "at /keys: must NOT have fewer than 1 items"),
        (b'{"key":"a","keys":["a","b","c"]}', "at /keys: must NOT have more than 2 items"),
        (b'{"key":"a","keys":["a",1]}', "at /keys/1: must be string"),
        (b'{"key":"a","keys":5}', "at /keys: must be array"),
        (b'{"key":"a","inner":5}', "at /inner: must be object"),
        (b'{"key":"a","inner":{}}', "at /inner: must have required property 'name'"),
        (b'{"key":"a","inner":{"name":"n","z":1}}', "at /inner: unexpected property 'z'"),
        (b'{"key":"a","short":"a"}', "at /short: must NOT have fewer than 2 characters"),
        (b'{"key":"a","short":"abcd"}', "at /short: must NOT have more than 3 characters"),
        (b"[]", "must be object"),
        (b"5", "must be object"),
    ],
)
def test_problems_are_named_as_clients_know_them(raw, message):
    with pytest.raises(Refused) as refused:
        decode_params(row(Params), msgspec.Raw(raw))
    assert refused.value.message == f"invalid x.y params: {message}"


@pytest.mark.parametrize("raw", [b"null", b'"text"', b"", b"{}"])
def test_a_missing_null_or_string_value_counts_as_an_empty_object(raw):
    assert decode_params(row(Lenient), msgspec.Raw(raw)) == Lenient()


def test_lenient_methods_take_their_defaults_instead_of_refusing():
    assert decode_params(row(Lenient, lenient=True), msgspec.Raw(b'{"probe":5}')) == Lenient()


def test_a_method_without_params_is_given_none():
    assert decode_params(row(None), msgspec.Raw(b'{"a":1}')) is None


@pytest.mark.parametrize("text", [b"\xff", b"\\ud800"])
def test_text_that_is_no_unicode_in_params_is_refused(text):
    with pytest.raises(Refused, match=r"invalid x\.y params: must be valid UTF-8 text"):
        decode_params(row(Params), msgspec.Raw(b'{"key":"%b"}' % text))


CONNECT = (
    b'{"minProtocol":3,"maxProtocol":3,"client":{"id":"cli","version":"1","platform":"l",'
    b'"mode":"cli"}%b}'
)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (CONNECT % b',"surprise":1', "at root: unexpected property 'surprise'"),
        (CONNECT % b',"auth":{"deviceToken":"x"}', "at /auth: unexpected property 'deviceToken'"),
        (b'{"minProtocol":3,"maxProtocol":3}', "must have required property 'client'"),
        (
            b'{"minProtocol":3,"maxProtocol":3,"client":{"id":"cli","platform":"l","mode":"cli"}}',
            "at /client: must have required property 'version'",
        ),
    ],
)
def test_connect_is_refused_as_recorded(raw, message):
    with pytest.raises(Refused) as refused:
        decode_params(row(ConnectParams), msgspec.Raw(raw))
    assert refused.value.message == f"invalid x.y params: {message}"
