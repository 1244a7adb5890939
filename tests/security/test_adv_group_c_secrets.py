"""Advisories of group C about the credential: how it is compared, and a start without one."""

from __future__ import annotations

import ast
import asyncio
import hmac
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import carapace
from carapace.auth import compare
from carapace.auth.types import ConnectRefused
from support.auth import LOCAL, SHARED, rig
from support.gateway import free_port, settings, start_gateway

SOURCES = Path(carapace.__file__).parent
NAMES_OF_SECRETS = re.compile(
    r"(^|_)(secret|token|password|passphrase|bearer|credential|api_?key|mac|hmac)s?$", re.ASCII
)
NOT_ATTACKED = {
    # `cara doctor` warns its own user that two settings of one file are the same.
    "cli/checks.py": "settings.hooks.token == settings.gateway.auth.token",
}


def name_of(node: ast.expr) -> str:
    """The last name in an expression: of `a.token.strip()` it is `token`."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute(attr="encode" | "strip" | "lower" | "reveal"):
            return name_of(node.value)
        case ast.Attribute():
            return node.attr
        case ast.Call():
            return name_of(node.func)
        case ast.Subscript(slice=ast.Constant(value=str() as key)):
            return key
        case _:
            return ""


def compared(source: str) -> list[str]:
    """Comparisons by `==` of what is called a secret with what is no constant."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        is_equality = any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops)
        is_fixed = any(isinstance(side, ast.Constant) for side in sides)
        if is_equality and not is_fixed:
            found += [
                ast.unparse(node)
                for side in sides[:1] + sides[1:2]
                if NAMES_OF_SECRETS.search(name_of(side).lower())
            ][:1]
    return found


@pytest.mark.slow
def test_adv_c25_no_secret_is_compared_by_equality():
    """`==` ends at the first byte that differs: the time it takes tells how many were right."""
    found = {
        str(path.relative_to(SOURCES)): text
        for path in sorted(SOURCES.rglob("*.py"))
        for text in compared(path.read_text("utf-8"))
    }
    assert found == NOT_ATTACKED


@pytest.mark.parametrize(
    "source",
    ["given == token", "a.password != b", "x['token'] == y", "self._secret.encode() == z.strip()"],
)
def test_the_look_for_comparisons_finds_them(source: str):
    assert compared(source)


@pytest.mark.parametrize("given", ["", None, "x", SHARED[:-1], SHARED + "x", "\ud800", "é" * 4_000])
def test_adv_c25_what_is_compared_has_one_length_whatever_was_given(
    monkeypatch: pytest.MonkeyPatch, given: str | None
):
    """Node looked at the length first; here neither it nor a common prefix is compared."""
    seen: list[tuple[Any, Any]] = []

    def spy(left: Any, right: Any) -> bool:
        seen.append((left, right))
        return plain(left, right)

    plain: Callable[[Any, Any], bool] = hmac.compare_digest
    monkeypatch.setattr(compare.hmac, "compare_digest", spy)
    assert not compare.same_secret(given, compare.digest(SHARED))
    assert not compare.same_secret(given, None)
    assert [(len(left), len(right)) for left, right in seen] == [(64, 64), (64, 64)]
    assert SHARED.encode() not in {one for pair in seen for one in pair}


async def test_adv_c25_every_wrong_bearer_hears_the_same():
    async with rig() as r:
        said: set[tuple[str, str]] = set()
        for wrong in ("x", SHARED[:-1], SHARED + "x", SHARED.upper(), f" {SHARED}", "é" * 99):
            with pytest.raises(ConnectRefused) as caught:
                await r.auth.bearer(wrong, LOCAL)
            said.add((caught.value.message, caught.value.reason))
        assert len(said) == 1


# C26: without its credential the gateway does not open


def _no_password(config: dict[str, Any], _state: Path) -> None:
    config["gateway"]["auth"] = {"mode": "password"}


def _broken_vault(_config: dict[str, Any], state: Path) -> None:
    (state / "credentials").mkdir(parents=True)
    (state / "credentials" / "vault.json").write_text('{"version": 1, "sealed": "nonsense"}')


def _vault_that_is_a_folder(config: dict[str, Any], state: Path) -> None:
    del config["gateway"]["auth"]["token"]
    (state / "credentials" / "vault.json").mkdir(parents=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_no_password, "no password is set"),
        (_broken_vault, "is damaged"),
        (_vault_that_is_a_folder, "cannot be read"),
    ],
)
async def test_adv_c26_a_gateway_that_cannot_check_anybody_does_not_listen(
    tmp_path: Path, spoil: Callable[[dict[str, Any], Path], None], why: str
):
    """It ends with an error; and at no moment on the way did anybody get in."""
    config, home, port = settings(1), tmp_path / "home", free_port()
    spoil(config, home / "state")
    opened = 0

    async def knock() -> None:
        nonlocal opened
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                opened += 1
                writer.close()

    async with asyncio.TaskGroup() as group:
        knocking = group.create_task(knock())
        with pytest.raises(RuntimeError, match=f"said nothing.*{why}"):
            await start_gateway(home, config, port=port)
        knocking.cancel()
    assert opened == 0
