"""Advisories of group L: commands are lists, approvals are digests, the environment is ours."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec
import pytest

from carapace.agent.approval import Verdict
from carapace.agent.exec.carriers import is_carrier
from carapace.agent.exec.document import ExecRules, rules_of
from carapace.agent.exec.judging import Use, judge
from carapace.agent.exec.processes import Processes
from carapace.agent.exec.service import ExecParams, ExecService
from carapace.agent.exec.types import Command
from carapace.agent.tools.registry import ToolTrouble
from carapace.agent.types import RunSource
from carapace.clock import SystemClock
from carapace.config.settings.exec import ExecSettings
from carapace.confine import can_fence
from carapace.ids import AgentId, SessionKey
from carapace.protocol.approvals import ApprovalsFile
from support.commands import Yard, script

MAIN, SESSION = AgentId("main"), SessionKey("agent:main:main")
needs_fence = pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp")


def command(argv: list[str], path: str | None = None, digest: str = "ab") -> Command:
    """A command as the look would find it on a machine that has the program."""
    found = Path(path or f"/usr/bin/{argv[0]}")
    return Command(
        argv=tuple(argv),
        path=found,
        cwd=Path("/w"),
        env={},
        digest=digest,
        is_script=False,
        is_carrier=is_carrier(found, argv[0]),
    )


def verdict(found: Command, *patterns: str) -> Verdict:
    use = Use(tool="exec", digest=found.digest, shown=found.shown, command=found)
    return judge(use, ExecRules("allowlist", "on-miss", patterns), RunSource.OPERATOR).verdict


class House:
    """A service with real processes, and what was allowed."""

    def __init__(self, folder: Path) -> None:
        self.yard = Yard(folder)
        self.settings = ExecSettings(security="allowlist")
        self.environ = {"LANG": "C.UTF-8"}
        self.processes = Processes(self.yard.private, SystemClock())

    @property
    def service(self) -> ExecService:
        return ExecService(
            self.processes,
            self.settings,
            workspace_of=lambda _: self.yard.root,
            state_dir=self.yard.state,
            environ=self.environ,
        )

    async def approve(self, params: ExecParams) -> str:
        opened = await self.service.look(params, MAIN)
        opened.close()
        return opened.command.digest

    async def run(self, params: ExecParams, approved: str) -> str:
        child = await self.service.run(
            params, agent_id=MAIN, session_key=SESSION, approved=approved
        )
        assert child.kept.exit is not None
        assert child.kept.exit.code == 0
        return child.kept.stdout.text


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    made = House(tmp_path)
    yield made
    await made.processes.aclose()


BYPASSES = [
    ["sort", "--compress-prog=sh", "x"],
    ["sort", "--compress-program", "sh", "x"],
    ["grep", "-f/etc/passwd", "x"],
    ["grep", "-rf", "/etc/shadow", "/"],
    ["jq", "-n", "env"],
    ["jq", "-f", "/etc/passwd"],
    ["head", "/etc/passwd"],
    ["head", "*"],
    ["head", "~/.ssh/id_rsa"],
    ["wc", "--files0-from=/etc/passwd"],
    ["cut", "-d", "\n", "-f1", "/proc/self/environ"],
    ["tr", "a", "b", "--help"],
    ["ls", "-l", "--", "/"],
    ["ls", "-l/"],
    ["ls", " -l"],
    ["ls", "-l", ""],
    ["/usr/bin/../bin/ls", "-a"],
    ["ls", "-L"],
]


@pytest.mark.parametrize("argv", BYPASSES)
def test_adv_l01_there_are_no_harmless_programs_only_exact_commands(argv: list[str]):
    names = ("sort", "grep", "jq", "head", "wc", "cut", "tr", "ls")
    patterns = [f"/usr/bin/{name}" for name in names]
    patterns += [json.dumps([f"/usr/bin/{name}", "-l"]) for name in names]
    patterns += ["/usr/bin/*", "/usr/**", "ls *", "/usr/bin/ls *", '["/usr/bin/ls","*"]', "**"]
    found = command(argv, f"/usr/bin/{Path(argv[0]).name}")
    assert verdict(found, *patterns) is Verdict.ASK


def test_adv_l01_a_program_of_the_workspace_cannot_stand_in_for_another(tmp_path: Path):
    yard = Yard(tmp_path)
    script(yard.root / "bin" / "ls")
    shadowed = dataclasses.replace(
        yard, env={**yard.env, "PATH": f"{yard.root}/bin:{yard.env['PATH']}"}
    )
    assert not shadowed.command(["ls"]).path.is_relative_to(yard.root)


WRAPPERS = [
    ["env", "-S", "sh -c id"],
    ["busybox", "sh", "-c", "id"],
    ["time", "id"],
    ["script", "-c", "id", "/dev/null"],
    ["flock", "lock", "id"],
    ["bash", "--rcfile", "./rc"],
    ["xargs", "id"],
    ["timeout", "5", "id"],
    ["nice", "id"],
    ["nohup", "id"],
    ["setsid", "id"],
    ["stdbuf", "-o0", "id"],
    ["find", ".", "-exec", "id", ";"],
    ["awk", "BEGIN{system(0)}"],
    ["perl", "-e", "exec 1"],
    ["python3.11", "-c", "0"],
    ["git", "-c", "core.pager=id", "log"],
    ["ssh", "-oProxyCommand=id", "x"],
    ["tar", "--to-command=id", "-xf", "x"],
    ["make", "-f", "x"],
    ["sudo", "id"],
]


@pytest.mark.parametrize("argv", WRAPPERS)
def test_adv_l02_what_runs_others_is_asked_about_each_time(argv: list[str]):
    found = command(argv)
    patterns = (f"digest:{found.digest}", f"/usr/bin/{argv[0]}", json.dumps(argv))
    assert verdict(found, *patterns) is Verdict.ASK


SHELL_SYNTAX = [
    "$(id)",
    "`id`",
    '"$(id)"',
    "; id",
    "&& id",
    "|| id",
    "| sh",
    "> /tmp/x",
    "<<EOF\nid\nEOF",
    "a\\\nb",
    "$IFS",
    "${PATH}",
    "~",
    "*",
    "-enc aWQ=",
    "%COMSPEC%",
    "^&whoami",
    "\n id",
    "\u2028id",
    "# tail",
]


@needs_fence
@pytest.mark.slow
async def test_adv_l03_shell_syntax_is_only_text(house: House):
    params = ExecParams(argv=("printf", "%s\\0", *SHELL_SYNTAX))
    said = await house.run(params, await house.approve(params))
    assert said.split("\0")[:-1] == SHELL_SYNTAX


def _rewrite_program(house: House) -> None:
    script(house.yard.base / "bin" / "tool", "#!/bin/sh\necho evil\n")


def _rewrite_script(house: House) -> None:
    (house.yard.root / "do.sh").write_text("echo evil\n")


def _swap_folder(house: House) -> None:
    (house.yard.root / "d").rename(house.yard.root / "e")
    (house.yard.root / "d").mkdir()


def _link_folder(house: House) -> None:
    (house.yard.root / "d").rename(house.yard.root / "e")
    (house.yard.root / "d").symlink_to(house.yard.root / "e")


def _rebind_path(house: House) -> None:
    script(house.yard.base / "other" / "tool")
    house.settings = msgspec.structs.replace(
        house.settings, path_prepend=(str(house.yard.base / "other"),)
    )


def _change_environment(house: House) -> None:
    house.environ["TZ"] = "Europe/Berlin"


def _open_network(house: House) -> None:
    house.settings = msgspec.structs.replace(house.settings, network=True)


def _drop_fence(house: House) -> None:
    house.settings = msgspec.structs.replace(house.settings, sandbox="off")


@needs_fence
@pytest.mark.parametrize(
    "change",
    [
        _rewrite_program,
        _rewrite_script,
        _swap_folder,
        _link_folder,
        _rebind_path,
        _change_environment,
        _open_network,
        _drop_fence,
    ],
)
async def test_adv_l04_what_changed_since_it_was_allowed_does_not_run(
    house: House, change: Callable[[House], None]
):
    script(house.yard.base / "bin" / "tool")
    house.settings = msgspec.structs.replace(
        house.settings, path_prepend=(str(house.yard.base / "bin"),)
    )
    (house.yard.root / "do.sh").write_text("echo fine\n")
    (house.yard.root / "d").mkdir()
    params = ExecParams(argv=("tool", "../do.sh"), workdir="d")
    approved = await house.approve(params)
    assert await house.approve(params) == approved
    change(house)
    with pytest.raises(ToolTrouble, match=r"approval_stale|cannot be used"):
        await house.run(params, approved)


@needs_fence
@pytest.mark.parametrize(
    "params",
    [
        ExecParams(argv=("cat", "a", "b")),
        ExecParams(argv=("cat", "a ")),
        ExecParams(argv=("cat", "a"), workdir="d"),
        ExecParams(argv=("tac", "a")),
    ],
)
async def test_adv_q51_a_yes_is_to_arguments_and_folder_too(house: House, params: ExecParams):
    (house.yard.root / "d").mkdir()
    approved = await house.approve(ExecParams(argv=("cat", "a")))
    with pytest.raises(ToolTrouble, match="approval_stale"):
        await house.run(params, approved)


HOSTILE_LIST = """
BASH_ENV ENV BASH_FUNC_x%% SHELLOPTS BASHOPTS PS4 PROMPT_COMMAND IFS CDPATH GLOBIGNORE
LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_DEBUG DYLD_INSERT_LIBRARIES GCONV_PATH LOCPATH NLSPATH
GIT_SSH GIT_SSH_COMMAND GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR GIT_CONFIG_GLOBAL GIT_DIR
GIT_TEMPLATE_DIR GIT_PROXY_COMMAND HGRCPATH CC CXX LD AR MAKEFLAGS RUSTC_WRAPPER CARGO_HOME
NODE_OPTIONS NODE_PATH NPM_CONFIG_PREFIX PYTHONPATH PYTHONSTARTUP PYTHONHOME PERL5LIB PERL5OPT
RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS _JAVA_OPTIONS CLASSPATH LUA_INIT PAGER EDITOR VISUAL BROWSER
LESSOPEN MANPAGER HTTP_PROXY HTTPS_PROXY SSL_CERT_FILE CURL_HOME WGETRC DOCKER_HOST
SSH_AUTH_SOCK OPENAI_API_KEY ANTHROPIC_API_KEY CARAPACE_TOKEN AWS_SECRET_ACCESS_KEY HOME TMPDIR
TERMINFO
"""
HOSTILE_NAMES = HOSTILE_LIST.split()


@needs_fence
@pytest.mark.slow
async def test_adv_l05_the_environment_is_our_list_and_no_other(house: House):
    assert len(HOSTILE_NAMES) > 60
    house.environ |= dict.fromkeys(HOSTILE_NAMES, "/evil")
    (house.yard.root / ".env").write_text("LD_PRELOAD=/evil\n")
    params = ExecParams(argv=("/usr/bin/env", "-0"))
    said = await house.run(params, await house.approve(params))
    found = dict(one.split("=", 1) for one in said.split("\0") if one)
    private = found["HOME"]
    assert Path(private).parent == house.yard.private
    assert found == {
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": private,
        "TMPDIR": private,
        "TERM": "dumb",
    }
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode('{"argv":["env"],"env":{"BASH_ENV":"/evil"}}', type=ExecParams)


@pytest.mark.parametrize(
    "hint",
    [
        '"kind":"read"',
        '"approved":true',
        '"security":"full"',
        '"ask":"off"',
        '"elevated":true',
        '"host":"node"',
        '"decision":"allow-once"',
    ],
)
def test_adv_l06_hints_of_a_model_count_for_nothing(hint: str):
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(f'{{"argv":["ls"],{hint}}}', type=ExecParams)


def test_adv_l07_a_skill_allows_no_command():
    text = """{"version":1,"defaults":{"autoAllowSkills":true,"askFallback":"full"},
        "agents":{"main":{"autoAllowSkills":true,"askFallback":"full"}}}"""
    file = msgspec.json.decode(text, type=ApprovalsFile)
    rules = rules_of(file, "main", security="allowlist", ask="on-miss")
    use = Use(tool="exec", digest="ab", shown="ls", command=command(["ls"]))
    assert judge(use, rules, RunSource.OPERATOR).verdict is Verdict.ASK
    assert rules == ExecRules("allowlist", "on-miss", ())


@needs_fence
async def test_adv_b17_a_yes_for_one_workspace_is_none_for_another(tmp_path: Path):
    first, second = House(tmp_path / "a"), House(tmp_path / "b")
    params = ExecParams(argv=("ls",))
    approved = await first.approve(params)
    with pytest.raises(ToolTrouble, match="approval_stale"):
        await second.run(params, approved)
    assert list(second.yard.private.iterdir()) == []
