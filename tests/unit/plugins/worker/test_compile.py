from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from carapace.plugins.worker.compile import compile_one, main
from carapace.plugins.worker.compile_wire import (
    MAX_COMPONENT_BYTES,
    Compiled,
    CompileJob,
    FromCompiler,
    NotCompiled,
    decode_answer,
    encode,
)
from support.guests import HAZARDS, wasm
from support.wasm_worker import wasm_worker

ECHO = wasm(HAZARDS["echo"])
CONFIG = wasm(HAZARDS["hang"])


def run(
    data: bytes, job: CompileJob, parent: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            *(sys.executable, "-I", "-m", "carapace.plugins.worker.compile"),
            *(str(parent or os.getpid()), encode(job).decode()),
        ],
        input=data,
        capture_output=True,
        check=False,
        env={},
    )


def parted(out: bytes) -> tuple[FromCompiler, bytes]:
    line, _, code = out.partition(b"\n")
    return decode_answer(line), code


@pytest.mark.slow
def test_the_child_gives_code_that_a_worker_runs(tmp_path: Path):
    answer, code = parted(run(CONFIG, CompileJob(("config",), ("tool",))).stdout)
    assert answer == Compiled(
        len(code),
        ("carapace:plugin/config@1.0.0",),
        ("carapace:plugin/tool@1.0.0", "carapace:plugin/manifest@1.0.0"),
    )
    path = tmp_path / "tool.cwasm"
    path.write_bytes(code)
    with wasm_worker(path, grants=("config",)) as worker:
        assert worker.loaded is not None
        assert worker.loaded.err is None


@pytest.mark.slow
def test_a_module_that_stops_the_compiler_is_told_from_one_it_refuses():
    broken = run(b"\0asm\x0d\0\1\0" + b"\xff" * 1000, CompileJob((), ("tool",)))
    answer, code = parted(broken.stdout)
    assert isinstance(answer, NotCompiled)
    assert answer.code == "INVALID_COMPONENT"
    assert (code, broken.returncode) == (b"", 0)


@pytest.mark.slow
def test_an_orphan_does_not_compile():
    done = run(ECHO, CompileJob((), ("tool",)), parent=1)
    assert done.returncode != 0
    assert done.stdout == b""


def test_what_is_not_granted_or_missing_is_named():
    refused, _ = compile_one(CONFIG, CompileJob(("kv",), ("tool",)))
    missing, _ = compile_one(ECHO, CompileJob((), ("tool", "webhook")))
    assert isinstance(refused, NotCompiled)
    assert isinstance(missing, NotCompiled)
    assert refused.code == "IMPORT_REFUSED"
    assert "carapace:plugin/config" in refused.message
    assert missing.code == "EXPORT_MISSING"
    assert "webhook" in missing.message


def test_a_core_module_and_a_giant_are_no_components():
    for data in (b"\0asm\1\0\0\0", b"", b"hello", bytes(MAX_COMPONENT_BYTES + 1)):
        answer, code = compile_one(data, CompileJob((), ()))
        assert isinstance(answer, NotCompiled), data[:10]
        assert answer.code == "INVALID_COMPONENT"
        assert code == b""


def test_the_child_reads_its_job_gives_everything_up_and_answers(monkeypatch):
    module = sys.modules["carapace.plugins.worker.compile"]
    given_up: list[str] = []
    monkeypatch.setattr(module, "confine", lambda parent, **caps: given_up.append(f"{parent}"))
    monkeypatch.setattr(module, "seal", lambda calls: given_up.append("seal"))
    out = io.BytesIO()
    main(["17", encode(CompileJob((), ("tool",))).decode()], io.BytesIO(ECHO), out)
    assert given_up == ["17", "seal"]
    assert isinstance(parted(out.getvalue())[0], Compiled)
