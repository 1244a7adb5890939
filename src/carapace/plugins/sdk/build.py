"""Builds a project's component: `build/plugin.wasm`, for the world its manifest describes."""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from carapace.errors import Failed
from carapace.plugins.sdk import toolchain
from carapace.plugins.sdk.contract import contract, contract_path, guest_library
from carapace.plugins.sdk.project import Project
from carapace.plugins.sdk.wit import c_glue, rust_glue
from carapace.plugins.sdk.wit.component_text import component_text
from carapace.plugins.sdk.wit.worlds import WORLD, world_text

__all__ = ["build", "is_current"]

_ENTRY: Final = "carapace_entry"
_DIGEST: Final = "sources.sha256"
_TEXT: Final = "component.wat"
_CORE: Final = "core.wasm"


def build(project: Project) -> Path:
    """Build it; gives the component's path.

    Raises:
        Refused: If the toolchain is missing or finds mistakes, with what to do.
        Failed: If it does not end, or makes nothing.
    """
    project.build_dir.mkdir(exist_ok=True)
    digest = project.digest()
    made = project.build_dir / "making.wasm"
    made.unlink(missing_ok=True)
    _BUILDERS[project.language](project, made)
    if not made.is_file():
        raise Failed(f"Building {project.manifest.id} gave no component. Try again.")
    made.replace(project.wasm)
    (project.build_dir / _DIGEST).write_text(digest + "\n", "utf-8")
    return project.wasm


def is_current(project: Project) -> bool:
    """Whether the component was built from the sources as they are."""
    note = project.build_dir / _DIGEST
    return (
        project.wasm.is_file() and note.is_file() and note.read_text().strip() == project.digest()
    )


def _build_python(project: Project, target: Path) -> None:
    """The sources, the guest library and an entry module that ties them to the world."""
    wit = _write_wit(project)
    entry = project.build_dir / "entry"
    _renew(entry)
    # A copy, since what is installed beside the library must not get into the component.
    library = shutil.ignore_patterns("__pycache__", "testing.py")
    shutil.copytree(guest_library() / "carapace_plugin", entry / "carapace_plugin", ignore=library)
    module = project.main.stem
    if not _binds_itself(project.main):
        module = _ENTRY
        (entry / f"{_ENTRY}.py").write_text(_entry_text(project), "utf-8")
    command = [*toolchain.python_componentizer(), "-d", str(wit), "-w", WORLD, "componentize"]
    command += [module, "-p", str(project.folder), "-p", str(entry)]
    command += ["-o", str(target)]
    toolchain.run(command, folder=project.build_dir, what=f"build {project.main.name}")


def _build_js(project: Project, target: Path) -> None:
    """One source file; it imports interfaces by name and exports an object for each role."""
    wit = _write_wit(project)
    command = [*toolchain.js_componentizer(project.folder), "--sync", "-w", str(wit), "-n", WORLD]
    command += ["-j", str(project.main), "-o", str(target)]
    toolchain.run(command, folder=project.build_dir, what=f"build {project.main.name}")


def _build_c(project: Project, target: Path) -> None:
    """All C files of the folder with the generated glue, then the component around them."""
    glue = _write_c_glue(project)
    # Relative names, so that the result does not depend on where the folder lies.
    sources = [f"../../{path.relative_to(project.folder).as_posix()}" for path in project.sources()]
    _link(project, [each for each in sources if each.endswith(".c")])
    _assemble(project, glue, target)


def _build_rust(project: Project, target: Path) -> None:
    """The crate of the contract, the plugin as a library over it, and the C glue below both."""
    rustc = toolchain.rust_compiler()
    glue = _write_c_glue(project)
    parts = contract(), project.imports, project.exports
    (glue / rust_glue.CRATE).write_text(rust_glue.crate(*parts), "utf-8")
    (glue / rust_glue.SHIMS).write_text(rust_glue.shims(*parts), "utf-8")
    common = [*rustc, "--edition", "2021", "--target", toolchain.RUST_TARGET]
    common += ["-C", "panic=abort", "-C", "opt-level=2", "-C", "debuginfo=0"]
    crate = [*common, "--crate-type", "rlib", rust_glue.CRATE, "-o", "libcarapace_plugin.rlib"]
    toolchain.run(crate, folder=glue, what="compile the crate of the contract")
    main = f"../../{project.main.name}"
    own = [*common, "--crate-type", "staticlib", "-C", "codegen-units=1", main]
    own += ["--extern", "carapace_plugin=libcarapace_plugin.rlib", "-o", "libapp.a"]
    toolchain.run(own, folder=glue, what=f"compile {project.main.name}")
    _link(project, [rust_glue.SHIMS, "libapp.a"])
    _assemble(project, glue, target)


def _write_c_glue(project: Project) -> Path:
    """A new folder with what stands between core module and contract."""
    glue = project.build_dir / "glue"
    _renew(glue)
    header = c_glue.header(contract(), project.imports, project.exports)
    (glue / c_glue.HEADER).write_text(header, "utf-8")
    (glue / c_glue.SOURCE).write_text(c_glue.source(contract(), project.exports), "utf-8")
    text = component_text(contract(), project.imports, project.exports)
    (glue / _TEXT).write_text(text, "utf-8")
    return glue


def _link(project: Project, inputs: list[str]) -> None:
    """Sources and libraries, named from the glue's folder, with the glue: one core module."""
    command = [*toolchain.c_compiler(), "-target", "wasm32-freestanding", "-O2", "-Wall"]
    command += ["-nostdlib", "-Wl,--no-entry", "-s", "-I", ".", "-I", "../.."]
    command += [*inputs, c_glue.SOURCE, "-o", _CORE]
    glue = project.build_dir / "glue"
    toolchain.run(command, folder=glue, what=f"compile {project.main.name}")


def _assemble(project: Project, glue: Path, target: Path) -> None:
    """The component around the core module."""
    text, core = glue / _TEXT, glue / _CORE
    assemble = [sys.executable, "-m", "carapace.plugins.sdk.assemble"]
    toolchain.run(
        [*assemble, str(text), str(core), str(target)],
        folder=project.build_dir,
        what="put the component together",
    )


def _write_wit(project: Project) -> Path:
    """The plugin's world and the contract it is made of, as the toolchains want them."""
    wit = project.build_dir / "wit"
    _renew(wit)
    inner = wit / "deps" / "carapace"
    inner.mkdir(parents=True)
    shutil.copyfile(contract_path(), inner / "plugin.wit")
    text = world_text(contract(), project.imports, project.exports)
    (wit / "world.wit").write_text(text, "utf-8")
    return wit


def _entry_text(project: Project) -> str:
    manifest = project.manifest
    arguments = f"{manifest.id!r}, {manifest.version!r}, {tuple(manifest.roles)!r}"
    return (
        f"import {project.main.stem}\n"
        "from carapace_plugin.guest import exports_of, settle\n\n"
        f"globals().update(exports_of({arguments}))\n"
        "settle()\n"
    )


def _binds_itself(main: Path) -> bool:
    """Whether the author wrote the classes that componentize-py looks for."""
    tree = ast.parse(main.read_text("utf-8"))
    return any(isinstance(node, ast.ClassDef) and node.name == "Manifest" for node in tree.body)


def _renew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


_BUILDERS: Final[dict[str, Callable[[Project, Path], None]]] = {
    "python": _build_python,
    "js": _build_js,
    "c": _build_c,
    "rust": _build_rust,
}
