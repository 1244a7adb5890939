"""The manifest asks for what the plugin needs and no more, and is about this component."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from carapace_zalo.accounts import API_URL, TOKEN, WEBHOOK_SECRET

from carapace.plugins.package.manifest import parse_manifest
from support.zalo_channel import ABOUT

FOLDER = Path(__file__).resolve().parents[3] / "plugins" / "zalo"
MANIFEST = parse_manifest((FOLDER / "plugin.toml").read_bytes())


def test_it_may_post_to_the_bot_api_and_nowhere_else():
    assert MANIFEST.permissions.http == (f"POST {API_URL}/**",)


def test_its_secrets_are_those_that_accounts_have():
    assert set(MANIFEST.permissions.credentials) == {TOKEN, WEBHOOK_SECRET}


def test_it_imports_what_it_is_granted_and_nothing_is_granted_that_it_does_not_import():
    always = {"log", "config", "status"}
    tree = ast.parse((FOLDER / "app.py").read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "wit_world.imports"
        for alias in node.names
    }
    assert imported - {"types"} - always == set(MANIFEST.permissions.interfaces()) - always


def test_its_roles_are_those_that_the_component_exports():
    tree = ast.parse((FOLDER / "app.py").read_text())
    exported = {
        node.name.lower()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert exported == {"manifest", *MANIFEST.roles}


def test_the_component_says_the_version_of_its_manifest():
    assert f'VERSION = "{MANIFEST.version}"' in (FOLDER / "app.py").read_text()


def test_the_channel_that_the_suite_asks_describes_itself_as_the_component_does():
    """Only a component can import `app.py`, so its source is read."""
    tree = ast.parse((FOLDER / "app.py").read_text())
    [about] = [
        {keyword.arg: keyword.value for keyword in node.keywords}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "wit_channel.About"
    ]
    for name in ("id", "label", "aliases", "order"):
        assert ast.literal_eval(about[name]) == ABOUT[name]
    names = {key: re.findall(r"\.([A-Z0-9]+)\b", ast.unparse(node)) for key, node in about.items()}
    assert ast.unparse(about["max_text"]) == "MAX_TEXT"
    assert names["unit"] == [ABOUT["unit"].upper()]
    assert names["chat_types"] == [one.upper() for one in ABOUT["chat_types"]]
    assert names["features"] == [one.upper() for one in ABOUT["features"]]
