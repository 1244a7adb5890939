"""`cara config` reads, changes and explains the file."""

from __future__ import annotations

from support.command import Command


def test_a_value_is_set_read_explained_and_removed(cara: Command):
    cara.write_config("{\n  // mine\n  gateway: {port: 1000},\n}\n")
    done = cara("config", "set", "gateway.port", "2000")
    assert done.code == 0, done.err
    assert "Set gateway.port" in done.out
    assert "// mine" in cara.config.read_text()
    assert cara("config", "get", "gateway.port").out == "2000\n"
    explained = cara("config", "explain", "gateway.port").out
    assert "gateway.port = 2000" in explained
    assert "carapace.json" in explained
    assert "Removed gateway.port" in cara("config", "unset", "gateway.port").out
    assert cara("config", "get", "gateway.port").out == "18789\n"


def test_programs_get_json(cara: Command):
    done = cara("config", "set", "gateway.bind", "lan", "--json").json
    assert (done["key"], done["effect"]) == ("gateway.bind", "restart")
    assert cara("config", "get", "gateway.bind").out == "lan\n"
    assert cara("config", "get", "gateway.bind", "--json").json == "lan"
    assert cara("config", "explain", "gateway.bind", "--json").json["value"] == "lan"
    assert cara("config", "path", "--json").json["config"] == str(cara.config)


def test_the_path_is_printed_alone(cara: Command):
    assert cara("config", "path").out == f"{cara.config}\n"
    assert cara("config", "path", "--config", "/x/y.json").out == "/x/y.json\n"


def test_a_missing_file_is_fine(cara: Command):
    done = cara("config", "validate")
    assert done.code == 0
    assert "does not exist; defaults count" in done.out


def test_warnings_do_not_fail(cara: Command):
    cara.write_config("{gatway: {}}")
    done = cara("config", "validate")
    assert done.code == 0
    assert "warning:" in done.out
    assert "gateway" in done.out


def test_a_broken_file_exits_with_78_and_can_still_be_set(cara: Command):
    cara.write_config('{gateway: {port: "many"}}')
    done = cara("config", "validate")
    assert done.code == 78
    assert "carapace.json:1:" in done.out
    assert not cara("config", "validate", "--json").json["valid"]
    assert cara("config", "set", "gateway.port", "4000").code == 0
    assert cara("config", "validate").code == 0


def test_notes_about_the_change_are_told(cara: Command):
    cara.write_config("{}")
    done = cara("config", "set", "gateway.nonsense", "1")
    assert done.code == 0
    assert "It has no meaning here." in done.out
    assert "note:" in done.out


def test_an_unknown_setting_is_refused_with_a_suggestion(cara: Command):
    done = cara("config", "explain", "gateway.prot")
    assert done.code == 1
    assert "gateway.port" in done.err
