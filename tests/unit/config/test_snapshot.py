from __future__ import annotations

from hashlib import sha256

import msgspec

from carapace.config.load import Overrides, load
from carapace.config.reader import DiskReader
from carapace.config.snapshot import Source, snapshot


def take(path, text, source: Source = "file"):
    if text is not None:
        path.write_text(text)
    loaded = load(path, DiskReader(), Overrides({"T": "hunter2"}))
    return snapshot(path, loaded, text, source)


def test_the_wire_form_has_the_node_gateways_fields(tmp_path):
    got = msgspec.json.decode(msgspec.json.encode(take(tmp_path / "c", "{gateway: {port: 5}}")))
    assert got == {
        "path": str(tmp_path / "c"),
        "exists": True,
        "raw": "{gateway: {port: 5}}",
        "parsed": {"gateway": {"port": 5}},
        "valid": True,
        "config": {"gateway": {"port": 5}},
        "hash": sha256(b"{gateway: {port: 5}}").hexdigest(),
        "issues": [],
        "warnings": [],
        "legacyIssues": [],
    }


def test_no_secret_is_in_it(tmp_path):
    text = "{gateway: {auth: {token: '${T}', password: 'hunter2'}}}"
    got = msgspec.json.encode(take(tmp_path / "c", text)).decode()
    assert "hunter2" not in got
    assert "${T}" in got


def test_a_missing_file_says_so(tmp_path):
    got = msgspec.to_builtins(take(tmp_path / "none", None, "defaults"))
    assert (got["exists"], got["raw"], got["parsed"], got["config"]) == (False, None, {}, {})
    assert got["source"] == "defaults"


def test_a_broken_file_lists_its_issues(tmp_path):
    got = take(tmp_path / "c", "{gateway: 5}", "last-good")
    assert not got.valid
    assert got.issues[0].path == "gateway"
