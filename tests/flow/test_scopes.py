"""Every method, asked by devices of one scope each: as recorded, and as the registry says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carapace.app.parts import METHODS
from carapace.protocol.registry import MethodRow
from carapace.protocol.scopes import Role, effective
from support.gateway import ROOT, model_server, running_gateway, settings
from support.ws import peer

GOLDEN = ROOT / "tests" / "golden" / "node-2026.1"
SCOPES = (
    "operator.read",
    "operator.write",
    "operator.admin",
    "operator.approvals",
    "operator.pairing",
)
UNKNOWN_PARAM = {"noSuchParam": True}


def recorded_matrix() -> dict[str, dict[str, str]]:
    """Scope to method to `allowed` or the words of the refusal."""
    (case,) = json.loads((GOLDEN / "scopes.json").read_text("utf-8"))["cases"]
    matrix: dict[str, dict[str, str]] = case["responses"][0]
    return matrix


def denied_methods() -> list[str]:
    """What a node was refused when this was recorded."""
    cases = json.loads((GOLDEN / "role-node-denied.json").read_text("utf-8"))["cases"]
    return [case["request"]["method"] for case in cases]


def verdict(answer: dict[str, Any]) -> str:
    """`allowed`, unless the answer refuses role or scope."""
    text = str(answer.get("error", {}).get("message", ""))
    is_refusal = text.startswith(("missing scope:", "unauthorized role:"))
    return text if is_refusal else "allowed"


def declared(row: MethodRow, scope: str) -> str:
    """What the registry says where nothing was recorded."""
    if row.role is not Role.OPERATOR:
        return "unauthorized role: operator"
    if row.scope is None or row.scope in effective((scope,)):
        return "allowed"
    return f"missing scope: {row.scope}"


@pytest.mark.slow
async def test_one_scope_opens_what_was_recorded_and_nothing_else(tmp_path: Path):
    recorded = recorded_matrix()
    later = sorted(set(recorded["operator.read"]) - set(METHODS))
    differences: list[str] = []
    async with (
        model_server(tmp_path) as model,
        running_gateway(tmp_path / "gateway", settings(model.port)) as gateway,
    ):
        for scope in SCOPES:
            async with peer(gateway.url, device=f"only {scope}", scopes=(scope,)) as person:
                for name, row in METHODS.items():
                    answer = await person.call(f"ask-{name}", name, UNKNOWN_PARAM)
                    wanted = recorded.get(scope, {}).get(name) or declared(row, scope)
                    if verdict(answer) != wanted:
                        differences.append(f"{scope} {name}: {verdict(answer)} for {wanted}")
                for name in later:
                    answer = await person.call(f"ask-{name}", name, UNKNOWN_PARAM)
                    unknown = f"unknown method: {name}", "missing scope: operator.admin"
                    assert answer["error"]["message"] in unknown
    assert differences == []
    assert set(SCOPES) <= set(recorded)


@pytest.mark.slow
async def test_a_node_is_refused_every_operator_method(tmp_path: Path):
    async with (
        model_server(tmp_path) as model,
        running_gateway(tmp_path / "gateway", settings(model.port)) as gateway,
        peer(
            gateway.url,
            device="a node",
            role="node",
            scopes=(),
            client_id="node-host",
            mode="node",
        ) as node,
    ):
        operators = [name for name, row in METHODS.items() if row.role is Role.OPERATOR]
        for name in (*denied_methods(), *operators):
            answer = await node.call(f"ask-{name}", name, {})
            assert answer["error"]["message"] == "unauthorized role: node", name
            assert answer["error"]["code"] == "INVALID_REQUEST"
