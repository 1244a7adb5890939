"""A compiler without WebAssembly: the real process, arguments and answer.

The component is a word that says what happens: `refuse`, `crash`, `hang`, `nonsense`, `wordy`,
`short`, `huge`; anything else is compiled to itself, twice, after the job and the word `for`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from carapace.confine import confine
from carapace.plugins.worker.compile_wire import (
    MAX_LINE_BYTES,
    Compiled,
    CompileJob,
    NotCompiled,
    encode,
)

__all__ = ["COMMAND"]

COMMAND = (sys.executable, "-P", str(Path(__file__).resolve()))


def main(argv: list[str], source: BinaryIO, out: BinaryIO) -> None:
    confine(int(argv[0]))
    job = msgspec.json.decode(argv[1], type=CompileJob)
    wasm = source.read()
    match wasm:
        case b"refuse":
            out.write(encode(NotCompiled("IMPORT_REFUSED", "it imports wasi:http")) + b"\n")
        case b"crash":
            os.abort()
        case b"hang":
            signal.pause()
        case b"nonsense":
            out.write(b"nonsense\n")
        case b"wordy":
            out.write(b"x" * (3 * MAX_LINE_BYTES))
        case b"short":
            out.write(encode(Compiled(10, (), ())) + b"\n12345")
        case b"huge":
            out.write(encode(Compiled(1 << 40, (), ())) + b"\n")
        case _:
            code = repr((job.grants, job.exports)).encode() + b" for " + wasm * 2
            out.write(encode(Compiled(len(code), job.grants, job.exports)) + b"\n" + code)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
