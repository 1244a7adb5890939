from __future__ import annotations

import pytest

from carapace.config.include import MAX_FILES, MAX_INCLUDE_DEPTH, Include
from carapace.config.issue import Problem
from carapace.config.reader import DiskReader


@pytest.fixture
def write(tmp_path):
    def go(**files):
        for name, text in files.items():
            target = tmp_path / f"{name}.json"
            target.write_text(text)
        return tmp_path / "root.json"

    return go


def load(path):
    return Include(DiskReader()).load(path).plain()


def fails(path, match):
    with pytest.raises(Problem, match=match) as caught:
        Include(DiskReader()).load(path)
    return caught.value


def test_objects_merge_lists_join_and_siblings_win(write):
    root = write(
        root='{$include: ["a.json", "./b.json"], x: {own: 1, both: "root"}, l: [3]}',
        a='{x: {a: 1, both: "a"}, l: [1]}',
        b='{x: {b: 1, both: "b"}, l: [2]}',
    )
    assert load(root) == {"x": {"a": 1, "b": 1, "own": 1, "both": "root"}, "l": [1, 2, 3]}


def test_an_include_stands_anywhere_and_may_be_any_value(write):
    root = write(
        root='{agents: {list: {$include: "l.json"}}, t: [{$include: "o.json"}]}',
        l='[{id: "a"}]',
        o="{k: 1}",
    )
    assert load(root) == {"agents": {"list": [{"id": "a"}]}, "t": [{"k": 1}]}


def test_paths_are_relative_to_the_including_file(write, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.json").write_text('{$include: "b.json"}')
    (tmp_path / "sub" / "b.json").write_text('{$include: "../c.json"}')
    root = write(root='{$include: "sub/a.json"}', c="{deep: true}")
    assert load(root) == {"deep": True}


def test_an_absolute_path_may_lead_anywhere(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "a.json").write_text('{$include: "b.json"}')
    (tmp_path / "else" / "b.json").write_text("{ok: 1}")
    root = tmp_path / "conf" / "root.json"
    root.write_text(f'{{$include: "{tmp_path}/else/a.json"}}')
    assert load(root) == {"ok": 1}


def test_h01_a_relative_path_may_not_leave_the_folder(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    root = tmp_path / "conf" / "root.json"
    root.write_text('{$include: "../secret.json"}')
    fails(root, "leads out of")


def test_h01_a_symbolic_link_may_not_leave_the_folder(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "conf" / "link.json").symlink_to(tmp_path / "secret.json")
    root = tmp_path / "conf" / "root.json"
    root.write_text('{$include: "link.json"}')
    fails(root, "leads out of")


def test_h01_a_circle_is_named(write):
    root = write(root='{$include: "a.json"}', a='{$include: "root.json"}')
    problem = fails(root, "root.json -> a.json -> root.json")
    assert problem.place.file.endswith("a.json")


def test_h01_depth_is_bounded(write):
    chain = {f"f{i}": f'{{$include: "f{i + 1}.json"}}' for i in range(MAX_INCLUDE_DEPTH + 1)}
    root = write(root='{$include: "f0.json"}', **chain)
    fails(root, "nested deeper than 10")


def test_ten_levels_are_fine(write):
    chain = {f"f{i}": f'{{$include: "f{i + 1}.json"}}' for i in range(MAX_INCLUDE_DEPTH - 1)}
    root = write(root='{$include: "f0.json"}', **chain, **{f"f{MAX_INCLUDE_DEPTH - 1}": "{ok: 1}"})
    assert load(root) == {"ok": 1}


def test_the_number_of_files_is_bounded(tmp_path):
    names = [f"f{i}.json" for i in range(2 * MAX_FILES + 2)]
    for name in names:
        (tmp_path / name).write_text("{}")
    root = tmp_path / "root.json"
    root.write_text('{$include: ["' + '","'.join(names) + '"]}')
    fails(root, "more than 64 files")


@pytest.mark.parametrize("bad", ["5", "[1]", '""', "{}", '"a\\u0000b"'])
def test_only_paths_can_be_included(write, bad):
    fails(write(root=f"{{$include: {bad}}}"), "expected a path or a list of paths")


def test_a_missing_file_is_named_with_the_place_of_its_include(write):
    problem = fails(write(root='{\n x: {$include: "gone.json"}}'), "gone.json does not exist")
    assert (problem.key, problem.place.line) == ("x", 2)


def test_a_list_cannot_be_included_beside_other_keys(write):
    fails(write(root='{$include: "l.json", x: 1}', l="[1]"), "an object was expected")


def test_a_broken_file_is_named_itself(write):
    problem = fails(write(root='{$include: "a.json"}', a="{x: }"), "expected a value")
    assert (problem.place.file.endswith("a.json"), problem.place.line) == (True, 1)


def test_an_unreadable_file_is_a_problem_with_its_place(tmp_path):
    (tmp_path / "root.json").mkdir()
    fails(tmp_path / "root.json", "not a plain file")


def test_an_empty_list_includes_nothing(write):
    assert load(write(root="{$include: [], x: 1}")) == {"x": 1}


def test_what_was_read_and_looked_for_is_known(write, tmp_path):
    root = write(root='{$include: "a.json"}', a="{}")
    include = Include(DiskReader())
    include.load(root)
    assert list(include.files.values()) == ['{$include: "a.json"}', "{}"]
    assert {tmp_path / "a.json", root} <= include.wanted
