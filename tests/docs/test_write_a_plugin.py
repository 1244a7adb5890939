"""The guide leads from nothing to a running, signed plugin, in each language."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
import tomllib
from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.package.manifest import parse_manifest
from carapace.plugins.sdk import toolchain
from carapace.plugins.sdk.cases import load_cases
from carapace.plugins.sdk.contract import guest_library
from support.gateway import TOKEN, Started, model_server, running_gateway, settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "write-a-plugin.md"
CARA = Path(sys.executable).parent / "cara"


def blocks(language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


class Reader:
    """Somebody who types what the guide says, beside a running gateway."""

    def __init__(self, folder: Path, gateway: Started) -> None:
        self.folder = folder
        self.said = ""
        self.env = {
            **os.environ,
            "HOME": str(gateway.home),
            "PATH": f"{CARA.parent}{os.pathsep}{os.environ['PATH']}",
            "CARAPACE_CONFIG_PATH": str(gateway.home / "carapace.json"),
            "CARAPACE_STATE_DIR": str(gateway.state_dir),
            "CARAPACE_GATEWAY_PORT": str(gateway.port),
            "CARAPACE_GATEWAY_TOKEN": TOKEN,
        }

    async def types(self, line: str) -> str:
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return ""
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-ec",
            line,
            cwd=self.folder,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        said = out.decode()
        assert process.returncode == 0, f"$ {line}\n{said}"
        self.said += said
        return said


def have(language: str, folder: Path) -> None:
    try:
        {
            "python": toolchain.python_componentizer,
            "js": lambda: toolchain.js_componentizer(folder),
            "c": toolchain.c_compiler,
            "rust": toolchain.rust_compiler,
        }[language]()
    except Refused as refused:
        pytest.skip(refused.message)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("language", ["python", "js", "c", "rust"])
async def test_from_nothing_to_a_running_plugin(tmp_path: Path, language: str):
    have(language, tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    async with (
        model_server(tmp_path) as model,
        running_gateway(tmp_path / "gateway", settings(model.port)) as gateway,
    ):
        reader = Reader(work, gateway)
        began_s = time.monotonic()
        for line in "".join(blocks("sh")).splitlines():
            said = await reader.types(line.replace("--lang python", f"--lang {language}"))
            if "keygen" in line:
                reader.env["PUBLISHER"] = said.splitlines()[0]
        assert "4 checked, all ok." in reader.said
        assert re.search(r"hello +0\.1\.0 +running", reader.said)
        ask = '[[tool:plugin_hello_greet {"name": "Ann"}]]'
        assert "Hello, Ann! (1)" in await reader.types(f"cara chat '{ask}' --timeout 60")
        print(f"\n{language}: from nothing to an answer in {time.monotonic() - began_s:.1f} s")


def test_the_outcome_that_it_shows_is_the_one_of_the_test(tmp_path: Path):
    assert "4 checked, all ok." in blocks("text")[0]


def test_the_python_example_passes_its_own_test(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(guest_library()))
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(blocks("python")[0], "write-a-plugin.md", "exec"), names)  # noqa: S102 - our own page
    test = names["test_weather"]
    assert callable(test)
    test()


def test_the_manifest_and_the_cases_can_be_read(tmp_path: Path):
    manifest, cases, about = blocks("toml")
    assert parse_manifest(manifest.encode()).id == "weather"
    assert tomllib.loads(about)["channel"].keys() == {"detail_label", "system_image"}
    (tmp_path / "cases.toml").write_text(cases)
    assert load_cases(tmp_path).case[0].name == "knows the sky over Bonn"
    assert tomllib.loads(cases)["host"]["http"][0]["method"] == "GET"


def test_the_version_of_the_npm_package_is_the_one_that_is_looked_for():
    assert f"componentize-qjs@{toolchain.QJS_VERSION}" in PAGE.read_text("utf-8")
