"""A scenario says what is asked again; a change of what was recorded needs its reason."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from carapace_tools.golden.scenario import load_scenario


def write(folder: Path, text: str) -> Path:
    path = folder / "scenario.toml"
    path.write_text(text)
    return path


def test_steps_and_rules_are_read(tmp_path: Path):
    scenario = load_scenario(
        write(
            tmp_path,
            """
            [[rule]]
            path = "*.ts"
            how = "type"
            reason = "time"
            [[step]]
            trace = "connect"
            case = "ok"
            on = "raw"
            device = { identity = "b", tamper = "old" }
            before = [ { method = "chat.send", until = "final" } ]
            """,
        )
    )
    (step,), (rule,) = scenario.step, scenario.rule
    assert (step.on, step.device.identity if step.device else "", rule.how) == ("raw", "b", "type")
    assert (step.before[0].method, step.before[0].until) == ("chat.send", "final")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[step]]\ntrace="t"\ncase="c"\nrewrite={"a"=1}', "a rewrite needs its reason"),
        ('[[step]]\ntrace="t"\ncase="c"\nunknown=1', "unknown"),
        ('[[step]]\ntrace="t"\ncase="c"\non="elsewhere"', "elsewhere"),
        ('step=[]\n[[rule]]\npath="p"\nhow="type"', "reason"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, why: str):
    with pytest.raises(msgspec.ValidationError, match=why):
        load_scenario(write(tmp_path, text))


def test_rules_of_another_file_come_after_its_own(tmp_path: Path):
    rule = '[[rule]]\npath="{0}"\nhow="type"\nreason="{0}"\n'
    write(tmp_path, "step=[]\n" + rule.format("shared"))
    own = tmp_path / "scenarios" / "own.toml"
    own.parent.mkdir()
    own.write_text('rules_of="../scenario.toml"\nstep=[]\n' + rule.format("own"))
    assert [one.path for one in load_scenario(own).rule] == ["own", "shared"]


def test_here_in_the_configuration_is_the_folder_of_the_file(tmp_path: Path):
    text = 'step=[]\n[config.gateway]\nroot="<HERE>/pages"\nnumber=1\nlist=["<HERE>"]\n'
    config = load_scenario(write(tmp_path, text)).config
    assert config["gateway"] == {"root": f"{tmp_path}/pages", "number": 1, "list": ["<HERE>"]}
