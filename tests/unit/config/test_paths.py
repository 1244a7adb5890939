from __future__ import annotations

from pathlib import Path

from carapace.config.paths import PathFlags, resolve_paths


def test_the_default_is_one_folder_in_the_home():
    paths = resolve_paths({"HOME": "/home/me"})
    assert paths.config_path == Path("/home/me/.carapace/carapace.json")
    assert paths.state_dir == Path("/home/me/.carapace")
    assert paths.last_good.parent == paths.workspace.parent == paths.state_dir


def test_a_moved_state_folder_takes_the_file_along():
    paths = resolve_paths({"HOME": "/h", "OPENCLAW_STATE_DIR": "~/s"})
    assert paths.config_path == Path("/h/s/carapace.json")


def test_flags_stand_above_variables():
    env = {"HOME": "/h", "CARAPACE_CONFIG_PATH": "/e/c.json", "CARAPACE_STATE_DIR": "/e"}
    paths = resolve_paths(env, PathFlags("/f/x/../c.json", "~"))
    assert (paths.config_path, paths.state_dir) == (Path("/f/c.json"), Path("/h"))
    assert resolve_paths(env).config_path == Path("/e/c.json")


def test_names_that_differ_warn():
    env = {"HOME": "/h", "CARAPACE_STATE_DIR": "/a", "MOLTBOT_STATE_DIR": "/b"}
    assert "CARAPACE_STATE_DIR differs" in resolve_paths(env).warnings[0].message


def test_the_state_folder_is_for_its_owner_alone(tmp_path):
    paths = resolve_paths({"HOME": str(tmp_path)})
    paths.make_state_dir()
    assert paths.state_dir.stat().st_mode & 0o777 == 0o700
    paths.make_state_dir()
