"""Every HTTP endpoint has a row, and every row a method whose scope it takes."""

from __future__ import annotations

import pytest

from carapace.app.parts import METHODS
from carapace.protocol.endpoints import ENDPOINTS, Endpoint, Gate, endpoint_at, undeclared
from carapace.protocol.scopes import Role


def test_no_endpoint_has_two_rows():
    assert len({(one.verb, one.path) for one in ENDPOINTS}) == len(ENDPOINTS)


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: f"{row.verb}{row.path}")
def test_a_twin_is_an_operators_method(row: Endpoint):
    if row.gate in (Gate.BEARER, Gate.HOOK):
        assert row.twin is not None
        assert METHODS[row.twin].role is Role.OPERATOR
    if row.gate is Gate.OPEN:
        assert row.twin is None


def test_what_only_looks_is_no_twin_of_what_writes():
    for row in ENDPOINTS:
        if row.verb == "GET" and row.twin is not None:
            assert str(METHODS[row.twin].scope) == "operator.read", row.path


def test_a_head_is_a_get():
    assert endpoint_at("HEAD", "/v1/models") is endpoint_at("GET", "/v1/models")
    assert endpoint_at("DELETE", "/v1/models") is None


def test_a_route_without_a_row_is_named():
    routes = [("GET", "/health"), ("HEAD", "/health"), ("POST", "/v1/new"), ("GET", "/x")]
    assert undeclared(routes) == ["GET /x", "POST /v1/new"]
