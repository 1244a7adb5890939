"""The process that compiles one component: `python -I -m carapace.plugins.worker.compile`.

A compiler is a large program that reads what a stranger wrote; some components make it give up
its whole process. So it runs here, capped and sealed, once. Arguments: process id of the gateway,
and the job as JSON. Standard input is the component; on standard output come a line of JSON and,
if that is a `Compiled`, as many bytes of machine code as it says.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO, Final

import msgspec

from carapace.confine import confine, seal
from carapace.plugins.errors import GuestError
from carapace.plugins.worker.compile_wire import (
    MAX_COMPONENT_BYTES,
    MAX_CPU_S,
    MAX_DATA_BYTES,
    Compiled,
    CompileJob,
    NotCompiled,
    encode,
)
from carapace.plugins.worker.engine import InvalidComponent, compile_component, new_engine
from carapace.plugins.worker.interfaces import exports_of, imports_of
from carapace.plugins.worker.sealing import COMPILER_CALLS

__all__ = ["compile_one", "main"]

_JOB: Final = msgspec.json.Decoder(CompileJob)


def compile_one(wasm: bytes, job: CompileJob) -> tuple[Compiled | NotCompiled, bytes]:
    """Compile it and look whether it wants, and offers, what the job says."""
    if len(wasm) > MAX_COMPONENT_BYTES:
        size = f"it has more than {MAX_COMPONENT_BYTES // 2**20} MiB"
        return NotCompiled("INVALID_COMPONENT", size), b""
    try:
        engine = new_engine()
        component = compile_component(engine, wasm)
        imports = imports_of(engine, component, job.grants, job.exports)
        exports = exports_of(engine, component, job.exports)
    except GuestError as error:
        return NotCompiled(error.code, error.message), b""
    except InvalidComponent as error:
        return NotCompiled("INVALID_COMPONENT", str(error)), b""
    code = bytes(component.serialize())
    names = tuple(one.name for one in imports), tuple(one.name for one in exports.values())
    return Compiled(len(code), *names), code


def main(argv: list[str], source: BinaryIO, out: BinaryIO) -> None:
    """Give everything up, then do the one job.

    Args:
        argv: Process id of the gateway, and the job as JSON.
        source: The component.
        out: Where the answer goes.

    Raises:
        msgspec.DecodeError: If the job is none.
    """
    job = _JOB.decode(argv[1])
    confine(int(argv[0]), max_data_bytes=MAX_DATA_BYTES, max_cpu_s=MAX_CPU_S)
    seal(COMPILER_CALLS)
    message, code = compile_one(source.read(MAX_COMPONENT_BYTES + 1), job)
    out.write(encode(message) + b"\n")
    out.write(code)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # a sealed interpreter cannot tidy up
