"""A plugin goes on over an upgrade of the gateway's contract; a newer or too old one is refused.

The contract of the next minor version is made here, from the released one, by the rules that
`carapace.plugins.sdk.wit.rules` holds it to. Guests are written in C and built with the real
toolchain; the hosts are the real ones, and know another version as a release would make them.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.errors import Refused
from carapace.plugins.contract_versions import SPOKEN, ContractVersions
from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host import limits
from carapace.plugins.host.aot_cache import AotCache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.package import manifest as manifests
from carapace.plugins.ports import LoadedPlugin
from carapace.plugins.sdk import build as building
from carapace.plugins.sdk import checking
from carapace.plugins.sdk.cases import load_cases
from carapace.plugins.sdk.local_host import loaded
from carapace.plugins.sdk.new import ROLES, create
from carapace.plugins.sdk.project import Project, open_project
from carapace.plugins.sdk.signing import pack_project, sign_project
from carapace.plugins.sdk.wit.rules import broken_promises, offences
from carapace.plugins.sdk.wit.syntax import parse
from support.contract_worker import command
from support.packages import KEY, package_house
from support.plugin_house import HouseUnderTest
from support.plugin_packages import packed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform == "win32", reason="workers speak over Unix sockets"),
]

OURS = Path(__file__).parents[2] / "plugins"
RELEASED = (Path(__file__).parents[2] / "wit" / "released" / "1.0.wit").read_text("utf-8")
NEXT = (
    RELEASED.replace("package carapace:plugin@1.0.0;", "package carapace:plugin@1.1.0;")
    .replace(
        "interface kv {\n",
        "interface kv {\n  /// How many keys begin with `prefix`.\n"
        "  count: func(prefix: string) -> result<u32, error>;\n",
    )
    .replace("  import kv;\n", "  import kv;\n  import places;\n")
    + "\n/// Where things are.\ninterface places {\n  home: func() -> string;\n}\n"
)
"""One more function of an interface that was there, and one more interface."""

THIS, NEXT_MINOR = ContractVersions((1, 0)), ContractVersions((1, 1))
NEXT_MAJOR = ContractVersions((2, 0), before=(1, 1))
TWO_MAJORS_ON = ContractVersions((3, 0), before=(2, 0))

NEW_FUNCTIONS = """
#include "carapace_plugin.h"
#define TEXT(literal) CARAPACE_STRING(literal)

carapace_manifest_info plugin_manifest_describe(void) {
  return (carapace_manifest_info){TEXT("newer"), TEXT("0.1.0")};
}

carapace_list_tool_definition plugin_tool_definitions(void) {
  return (carapace_list_tool_definition){0, 0};
}

carapace_result_string_types_error plugin_tool_invoke(carapace_string name,
                                                      carapace_string parameters) {
  carapace_result_u32_types_error found = carapace_kv_count(name);
  carapace_string words[] = {carapace_places_home(), TEXT(found.is_error ? "?" : ""), parameters};
  if (!found.is_error && found.value.ok == 3) words[1] = TEXT(" three ");
  return (carapace_result_string_types_error){.value.ok = carapace_join(words, 3)};
}
"""


class NextProject(Project):
    """A plugin that uses what is new."""

    @property
    def imports(self) -> tuple[str, ...]:
        return (*super().imports, "places")


class Author:
    """Somebody who writes plugins, with the tools of one version of the contract or another."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = monkeypatch

    def use(self, contract: str) -> None:
        """Build and check against this text from now on."""
        path = self._folder / "plugin.wit"
        path.write_text(contract, "utf-8")
        for room in (building, checking):
            self._patch.setattr(room, "contract", lambda: parse(contract))
        self._patch.setattr(building, "contract_path", lambda: path)

    def today(self, role: str = "tool") -> Project:
        """A plugin that was built against what is released."""
        self.use(RELEASED)
        return built(open_project(create(self._folder / "today", language="c", role=role)))

    def newer(self) -> Project:
        """A plugin that needs the next version."""
        place = create(self._folder / "newer", language="c")
        (place / "app.c").write_text(NEW_FUNCTIONS, "utf-8")
        path = place / "plugin.toml"
        path.write_text(path.read_text("utf-8").replace('wit = "1.0"', 'wit = "1.1"'), "utf-8")
        self.use(NEXT)
        with self._patch.context() as tools:
            tools.setattr(manifests, "SPOKEN", NEXT_MINOR)
            plain = open_project(place)
            return built(NextProject(*(getattr(plain, one.name) for one in fields(plain))))

    def packed(self, project: Project) -> Path:
        """A signed package of a plugin that needs the next version."""
        with self._patch.context() as tools:
            tools.setattr(manifests, "SPOKEN", NEXT_MINOR)
            sign_project(project, KEY)
            return pack_project(project)


@pytest.fixture(name="author")
def _author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Author:
    return Author(tmp_path, monkeypatch)


@asynccontextmanager
async def host_of(spoken: ContractVersions, folder: Path) -> AsyncGenerator[WorkerHost]:
    """A host that speaks these versions; the folder outlives it, as over an upgrade."""
    shared = HouseUnderTest(folder).house
    cache = AotCache(folder / "compiled", b"k" * 32, audit=shared.audit)
    artifacts = CompiledPlugins(cache, Compiler(command("compiler", spoken)))
    host = WorkerHost(replace(shared, artifacts=artifacts, command=command("worker", spoken)))
    try:
        yield host
    finally:
        await host.aclose()


def built(project: Project) -> Project:
    """The project with its component; a missing toolchain skips the test, loudly."""
    try:
        building.build(project)
    except Refused as refused:
        if "is not installed" in refused.message:
            pytest.skip(f"no guest can be built here: {refused.message}")
        raise
    return project


async def kv(function: str, arguments: list[Any]) -> Any:
    assert (function, arguments) == ("count", ["greeted/"])
    return 3


async def places(function: str, arguments: list[Any]) -> Any:
    assert (function, arguments) == ("home", [])
    return "at home"


async def unasked(function: str, arguments: list[Any]) -> Any:
    raise AssertionError(f"{function}{arguments} was asked for")


def newer_plugin(project: Project) -> LoadedPlugin:
    others = dict.fromkeys(project.imports, unasked)
    return loaded(project, {**others, "kv": kv, "places": places})


async def troubles(project: Project, host: WorkerHost) -> dict[str, str | None]:
    """All checks and cases of a plugin, through a host."""
    cases = load_cases(project.folder)
    return {one.name: one.trouble async for one in checking.check(project, host, cases)}


def test_the_next_version_of_the_contract_only_adds():
    released, following = parse(RELEASED), parse(NEXT)
    assert following.interface_id("kv") == "carapace:plugin/kv@1.1.0"
    assert following.interfaces["kv"].functions.keys() - released.interfaces["kv"].functions == {
        "count"
    }
    assert following.interfaces.keys() - released.interfaces == {"places"}
    assert broken_promises(released, following) == []
    assert offences(following) == []


@pytest.mark.parametrize("role", ROLES)
async def test_a_plugin_of_every_role_goes_on_over_upgrades_of_the_gateway(
    tmp_path: Path, author: Author, role: str
):
    project = author.today(role)
    assert b"@1.0.0" in project.wasm.read_bytes()
    compiled: set[Path] = set()
    for spoken, contract in ((THIS, RELEASED), (NEXT_MINOR, NEXT), (NEXT_MAJOR, NEXT)):
        author.use(contract)
        async with host_of(spoken, tmp_path / "gateway") as host:
            found = await troubles(project, host)
        assert found, "nothing was checked"
        assert set(found.values()) == {None}, (str(spoken), found)
        compiled |= set((tmp_path / "gateway" / "compiled").iterdir())
    assert len(compiled) == 1, "it is compiled once"


@pytest.mark.parametrize("language", ["c", "js", "python", "rust"])
async def test_a_plugin_in_every_language_goes_on_over_an_upgrade_of_the_gateway(
    tmp_path: Path, author: Author, language: str
):
    packed(OURS / f"hello-{language}", tmp_path)
    project = open_project(tmp_path / f"hello-{language}-as-it-is")
    component = project.wasm.read_bytes()
    assert b"carapace:plugin/tool@1.0.0" in component
    assert b"@1.1.0" not in component
    for spoken, contract in ((THIS, RELEASED), (NEXT_MINOR, NEXT)):
        author.use(contract)
        async with host_of(spoken, tmp_path / "gateway") as host:
            found = await troubles(project, host)
        assert found.keys() > {"manifest", "tool"}
        assert set(found.values()) == {None}, (str(spoken), found)


async def test_a_plugin_of_the_next_version_uses_what_is_new_where_it_is_spoken(
    tmp_path: Path, author: Author, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(limits._GROUPS, "places", "kv")  # each interface has a budget
    async with host_of(NEXT_MINOR, tmp_path) as host:
        await host.start(newer_plugin(author.newer()))
        assert await host.call("newer", "tool", "invoke", "greeted/", "!") == "at home three !"


async def test_a_plugin_of_the_next_version_is_not_installed_on_this_one(
    tmp_path: Path, author: Author
):
    package = author.packed(author.newer())
    house = package_house(tmp_path)
    with pytest.raises(Refused) as caught:
        await house.installer.install(str(package), accept=True, by="anna")
    assert "version 1.1 of the contract" in caught.value.message
    assert f"this gateway speaks version {SPOKEN} of the contract" in caught.value.message
    assert "update the gateway" in caught.value.message
    assert house.runtime.told == []


@pytest.mark.parametrize(
    ("guest", "spoken", "why"),
    [
        ("newer", THIS, r"@1\.1\.0.*speaks version 1\.0 of the contract; update the gateway"),
        ("today", TWO_MAJORS_ON, r"@1\.0\.0.*speaks version 3\.0 and 2\.0.*take a newer version"),
    ],
)
async def test_a_component_that_does_not_fit_never_starts_whatever_its_manifest_says(
    tmp_path: Path, author: Author, guest: str, spoken: ContractVersions, why: str
):
    if guest == "newer":
        plugin = newer_plugin(author.newer())
    else:
        project = author.today()
        plugin = loaded(project, dict.fromkeys(project.imports, unasked))
    async with host_of(spoken, tmp_path) as host:
        with pytest.raises(PluginUnavailable, match=why):
            await host.start(plugin)
        assert host.state(plugin.id).pid is None
