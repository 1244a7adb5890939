from __future__ import annotations

from pathlib import Path

import pytest

from carapace.config.files import text_hash
from carapace.config.issue import Issue
from carapace.config.json5 import Lines, parse
from carapace.config.load import Overrides, load
from carapace.config.located import Located, locate
from carapace.config.reader import DiskReader
from carapace.config.redact import MARKER
from carapace.config.writing import (
    patched,
    refuse_issues,
    refuse_unknown,
    require_base,
    restored,
)
from carapace.errors import Refused


def loaded(path: Path):
    return load(path, DiskReader(), Overrides({}))


@pytest.mark.parametrize("shown", [None, "", "  "])
def test_whoever_changes_a_file_shows_which_one(shown):
    with pytest.raises(Refused, match=r"^config base hash required; re-run config.get and retry$"):
        require_base(shown, "{}")
    require_base(shown, None)


def test_another_hash_is_refused_and_that_of_the_secrets_is_another():
    stored = "{gateway: {auth: {token: 'secret'}}}"
    for wrong in ("0" * 64, text_hash(stored)):
        with pytest.raises(Refused, match=r"^config changed since last load; re-run config.get"):
            require_base(wrong, stored)
    shown = stored.replace("'secret'", f'"{MARKER}"')
    require_base(f" {text_hash(shown)} ", stored)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("{not json", "SyntaxError: JSON5: invalid character 'j' at 1:6"),
        ("{", "SyntaxError: JSON5: invalid end of input at 1:2"),
        ("{a: 1}\n}", "SyntaxError: JSON5: invalid character '}' at 2:1"),
    ],
)
def test_what_is_not_json5_is_refused_in_known_words(raw, message):
    with pytest.raises(Refused) as caught:
        restored(raw, "{}")
    assert caught.value.message == message


def test_a_marker_needs_something_stored_behind_it():
    assert restored(f"{{a: '{MARKER}'}}", "{a: 'x'}") == "{a: 'x'}"
    for stored in ("{}", "{broken", None):
        with pytest.raises(Refused, match="a holds the marker") as caught:
            restored(f"{{a: '{MARKER}'}}", stored)
        assert caught.value.details
        assert caught.value.details["issues"][0]["path"] == "a"


@pytest.mark.parametrize("raw", ["[1]", "3", "null", "'text'"])
def test_a_patch_is_an_object(tmp_path, raw):
    path = tmp_path / "c.json"
    with pytest.raises(Refused, match=r"^config.patch raw must be an object$"):
        patched(raw, None, loaded(path), path)


def test_a_patch_of_something_that_is_no_object_is_refused(tmp_path):
    path = tmp_path / "c.json"
    with pytest.raises(Refused, match="invalid config: the file does not hold an object"):
        patched("{a: 1}", "[]", loaded(path), path)


def test_a_patch_makes_a_file_where_there_is_none(tmp_path):
    path = tmp_path / "c.json"
    new = patched("{gateway: {port: 1}}", None, loaded(path), path)
    assert parse(new).plain() == {"gateway": {"port": 1}}


@pytest.mark.parametrize(
    ("raw", "is_refused"),
    [
        ("{gateway: {port: null}}", True),
        ("{gateway: {allowedHosts: ['b']}}", True),
        ("{gateway: {port: 6}}", False),
        ("{gateway: {bind: null}}", False),
    ],
)
def test_what_stands_in_an_included_file_is_not_taken_away_here(tmp_path, raw, is_refused):
    path = tmp_path / "c.json"
    path.write_text("{$include: './part.json', gateway: {bind: 'lan'}}")
    (tmp_path / "part.json").write_text("{gateway: {port: 5, allowedHosts: ['a']}}")
    if is_refused:
        with pytest.raises(Refused, match="is set in the included file"):
            patched(raw, path.read_text(), loaded(path), path)
    else:
        assert patched(raw, path.read_text(), loaded(path), path)


def test_a_file_behind_a_link_is_no_included_one(tmp_path):
    (tmp_path / "real.json").write_text("{gateway: {port: 5}}")
    path = tmp_path / "c.json"
    path.symlink_to("real.json")
    assert "port" not in patched("{gateway: {port: null}}", path.read_text(), loaded(path), path)


def test_issues_refuse_and_none_do_not():
    refuse_issues([])
    with pytest.raises(Refused, match=r"^invalid config$") as caught:
        refuse_issues([Issue("a", "is wrong")])
    assert caught.value.details == {"issues": [{"path": "a", "message": "is wrong"}]}


@pytest.mark.parametrize(
    "raw",
    [
        '{"__proto__": {"x": 1}}',
        '{"gateway": {"__proto__": {"port": 1}}}',
        '{"agents": {"list": [{"constructor": 1}]}}',
        '{"plugins": {"entries": {"prototype": {}}}}',
        '{"__class__": 1}',
        '{"\\u005f_proto__": null}',
    ],
)
def test_names_that_mean_something_to_a_language_are_refused(tmp_path, raw):
    path = tmp_path / "c.json"
    with pytest.raises(Refused, match="is reserved"):
        restored(raw, "{}")
    before = load(path, DiskReader(), Overrides({}))
    with pytest.raises(Refused, match="is reserved"):
        patched(raw, "{}", before, path)


def test_names_that_only_begin_so_are_not(tmp_path):
    assert restored('{"models": {"__x": 1, "a/b": [1], "proto": {}}}', "{}")


def tree(text: str) -> Located:
    return locate(parse(text), "a.json", Lines(text))


def test_an_unknown_name_stays_though_its_item_moves_in_a_list():
    before = tree("{agents: {list: [{id: 'a'}, {id: 'b', qqzz: 1}]}}")
    refuse_unknown(tree("{agents: {list: [{id: 'b', qqzz: 1}]}}"), [before])
    with pytest.raises(Refused, match="invalid config"):
        refuse_unknown(tree("{agents: {list: [{id: 'b', qqyy: 1}]}}"), [before])


def test_what_any_of_the_trees_has_may_stay():
    with_it, without = tree("{qqzz: 1}"), tree("{}")
    refuse_unknown(with_it, [without, with_it])
    refuse_unknown(without, [])
    with pytest.raises(Refused, match="invalid config") as caught:
        refuse_unknown(with_it, [without])
    assert caught.value.details == {"issues": [{"path": "", "message": 'Unrecognized key: "qqzz"'}]}
