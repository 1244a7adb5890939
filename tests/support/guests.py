"""Plugins to test with: written as WAT text, or built from `tests/guests/` and kept.

A component in text form needs no toolchain and compiles in milliseconds, so it is what most
tests use; `built_guest` gives one made with a real toolchain, and keeps it for later runs.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from carapace.plugins.worker.target import compiled_for

__all__ = [
    "ERROR",
    "HAZARDS",
    "built_guest",
    "compiled",
    "hazard",
    "mirror_wat",
    "tool_wat",
    "wasm",
]

ROOT = Path(__file__).parents[2]
BUILD_TIMEOUT_S = 240

ERROR = (
    '(record (field "code" string) (field "message" string) (field "retryable" bool)'
    ' (field "retry-after-ms" (option u32)))'
)

INFO = '(record (field "id" string) (field "version" string))'

CORE = """
  (core module $libc
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32)
      (result i32) (local $at i32) (local $end i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (local.set $end (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (local.get $end) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.const 1)
          (i32.shr_u (local.get $size) (i32.const 16)))))))
      (global.set $top (local.get $end))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
"""


def tool_wat(
    body: str, *, imports: str = "", lowered: str = "", core: str = "", locals_: str = ""
) -> str:
    """A component, `guest` 1.0.0, whose `tool.invoke` runs `body`.

    Args:
        body: Core instructions that leave the address of the result. There are `$name $name_len
            $text $text_len`, and `(call $ok at len)` for the address of a good result, `(call
            $err)` for that of a bad one.
        imports: Component level imports.
        lowered: Pairs for the core module's imports from `host`: `(export "f" (func $f))`, after
            the `canon lower` that define them.
        core: Declarations in the core module; its imports from `host` come first.
        locals_: Locals of the function.
    """
    return f"""
(component
  {imports}
  {CORE}
  {lowered}
  (core module $main
    {core}
    (import "libc" "memory" (memory 1))
    (global $calls (mut i32) (i32.const 0))
    (data (i32.const 16) "NOsaid noguest1.0.0")
    (func (export "describe") (result i32)
      (i32.store (i32.const 96) (i32.const 25)) (i32.store (i32.const 100) (i32.const 5))
      (i32.store (i32.const 104) (i32.const 30)) (i32.store (i32.const 108) (i32.const 5))
      (i32.const 96))
    (func $ok (param $at i32) (param $len i32) (result i32)
      (i32.store8 (i32.const 64) (i32.const 0))
      (i32.store (i32.const 68) (local.get $at))
      (i32.store (i32.const 72) (local.get $len))
      (i32.const 64))
    (func $err (result i32)
      (i32.store8 (i32.const 64) (i32.const 1))
      (i32.store (i32.const 68) (i32.const 16)) (i32.store (i32.const 72) (i32.const 2))
      (i32.store (i32.const 76) (i32.const 18)) (i32.store (i32.const 80) (i32.const 7))
      (i32.store8 (i32.const 84) (i32.const 1))
      (i32.store8 (i32.const 88) (i32.const 1)) (i32.store (i32.const 92) (i32.const 1500))
      (i32.const 64))
    (func (export "invoke") (param $name i32) (param $name_len i32) (param $text i32)
      (param $text_len i32) (result i32) {locals_}
      {body}))
  (core instance $main (instantiate $main (with "libc" (instance $libc))
    {'(with "host" (instance $host))' if lowered else ""}))
  (type $error {ERROR})
  (type $invoke (func (param "name" string) (param "parameters" string)
    (result (result string (error $error)))))
  (func $invoke (type $invoke) (canon lift (core func $main "invoke")
    (memory $memory) (realloc (core func $realloc))))
  (component $shim
    (type $raw {ERROR})
    (import "type-error" (type $in (eq $raw)))
    (import "function" (func $f (param "name" string) (param "parameters" string)
      (result (result string (error $in)))))
    (export $out "error" (type $in))
    (export "invoke" (func $f) (func (param "name" string) (param "parameters" string)
      (result (result string (error $out))))))
  (instance $tool (instantiate $shim (with "function" (func $invoke))
    (with "type-error" (type $error))))
  (export "carapace:plugin/tool@1.0.0" (instance $tool))
  (type $info {INFO})
  (func $describe (result $info) (canon lift (core func $main "describe")
    (memory $memory)))
  (component $manifest-shim
    (type $raw {INFO})
    (import "type-info" (type $in (eq $raw)))
    (import "function" (func $f (result $in)))
    (export $out "info" (type $in))
    (export "describe" (func $f) (func (result $out))))
  (instance $manifest (instantiate $manifest-shim (with "function" (func $describe))
    (with "type-info" (type $info))))
  (export "carapace:plugin/manifest@1.0.0" (instance $manifest)))
"""


def _begins_with(work: str) -> str:
    """A body that says nothing, and `work` before any call: what an instance does when it is made.

    The last parenthesis is left to `tool_wat`.
    """
    return f"""(call $ok (i32.const 0) (i32.const 0)))
    (func $begin {work})
    (start $begin"""


CONFIG = {
    "imports": """(import "carapace:plugin/config@1.0.0" (instance $config
      (export "get" (func (param "key" string) (result (option string))))))""",
    "lowered": """(core func $get (canon lower (func $config "get")
      (memory $memory) (realloc (core func $realloc))))
      (core instance $host (export "get" (func $get)))""",
    "core": '(import "host" "get" (func $get (param i32 i32 i32)))',
}
"""Imports `config.get`; the core function takes the key and where its answer goes."""

LOG = {
    "imports": """(import "carapace:plugin/log@1.0.0" (instance $log
      (type $raw (enum "debug" "info" "warn" "error"))
      (export "level" (type $level (eq $raw)))
      (export "emit" (func (param "level" $level) (param "message" string)))))""",
    "lowered": """(core func $emit (canon lower (func $log "emit") (memory $memory)))
      (core instance $host (export "emit" (func $emit)))""",
    "core": '(import "host" "emit" (func $emit (param i32 i32 i32)))',
}
"""Imports `log.emit`, which has no way to fail."""

SLEEP = {
    "imports": """(import "wasi:io/poll@0.2.0" (instance $poll
      (export "pollable" (type $pollable (sub resource)))
      (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
      (alias export $poll "pollable" (type $pollable))
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $outer))
        (export "pollable" (type $p (eq $outer)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))""",
    "lowered": """(core func $after (canon lower (func $clock "subscribe-duration")))
      (core func $block (canon lower (func $poll "[method]pollable.block")))
      (core instance $host (export "after" (func $after)) (export "block" (func $block)))""",
    "core": """(import "host" "after" (func $after (param i64) (result i32)))
      (import "host" "block" (func $block (param i32)))""",
}
"""Imports what sleeping takes."""

PRINT = {
    "imports": """(import "wasi:io/error@0.2.0" (instance $error
      (export "error" (type $e (sub resource)))))
      (alias export $error "error" (type $io-error))
      (import "wasi:io/streams@0.2.0" (instance $streams
        (export "output-stream" (type $out (sub resource)))
        (alias outer 1 $io-error (type $outer))
        (export "error" (type $e (eq $outer)))
        (type $raw (variant (case "last-operation-failed" (own $e)) (case "closed")))
        (export "stream-error" (type $stream-error (eq $raw)))
        (export "[method]output-stream.blocking-write-and-flush" (func
          (param "self" (borrow $out)) (param "contents" (list u8))
          (result (result (error $stream-error)))))))
      (alias export $streams "output-stream" (type $output-stream))
      (import "wasi:cli/stdout@0.2.0" (instance $stdout
        (alias outer 1 $output-stream (type $outer))
        (export "output-stream" (type $out (eq $outer)))
        (export "get-stdout" (func (result (own $out))))))""",
    "lowered": """(core func $stdout (canon lower (func $stdout "get-stdout")))
      (core func $write (canon lower
        (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory)))
      (core instance $host (export "stdout" (func $stdout)) (export "write" (func $write)))""",
    "core": """(import "host" "stdout" (func $stdout (result i32)))
      (import "host" "write" (func $write (param i32 i32 i32 i32)))""",
}
"""Imports what printing takes."""

HAZARDS: dict[str, str] = {
    "echo": tool_wat("(call $ok (local.get $text) (local.get $text_len))"),
    "count": tool_wat(
        """(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store8 (i32.const 32) (i32.add (i32.const 48) (global.get $calls)))
        (call $ok (i32.const 32) (i32.const 1))"""
    ),
    "error": tool_wat("(call $err)"),
    "spin": tool_wat("(loop $again (br $again)) (unreachable)"),
    "recurse": tool_wat(
        "(drop (call $deep (i32.const 1))) (call $err)",
        core="",
    ).replace(
        "(func $err (result i32)",
        """(func $deep (param $n i32) (result i32)
      (i32.add (i32.const 1) (call $deep (i32.add (local.get $n) (i32.const 1)))))
    (func $err (result i32)""",
        1,
    ),
    "allocate": tool_wat(
        """(if (i32.eq (memory.grow (i32.const 16384)) (i32.const -1))
          (then (return (call $err))))
        (call $ok (i32.const 0) (i32.const 0))"""
    ),
    "crash": tool_wat("(unreachable)"),
    "beyond": tool_wat("(i32.load (i32.const 0x7ffffff0))"),
    "huge": tool_wat(
        """(drop (memory.grow (i32.const 640)))
        (call $ok (i32.const 65536) (i32.const 41900000))"""
    ),
    "zeros": tool_wat(
        """(drop (memory.grow (i32.const 200)))
        (call $ok (i32.const 65536) (i32.const 10000000))"""
    ),
    "asks-zeros": tool_wat(
        """(drop (memory.grow (i32.const 200)))
        (call $get (i32.const 65536) (i32.const 10000000) (i32.const 128))
        (call $err)""",
        **CONFIG,
    ),
    "hang": tool_wat(
        """(call $get (local.get $text) (local.get $text_len) (i32.const 128))
        (if (i32.eqz (i32.load8_u (i32.const 128))) (then (return (call $err))))
        (call $ok (i32.load (i32.const 132)) (i32.load (i32.const 136)))""",
        **CONFIG,
    ),
    "log": tool_wat(
        """(call $emit (i32.const 2) (local.get $text) (local.get $text_len))
        (call $ok (i32.const 0) (i32.const 0))""",
        **LOG,
    ),
    "logs-20": tool_wat(
        """(loop $again
          (call $emit (i32.const 1) (local.get $text) (local.get $text_len))
          (br_if $again (i32.lt_u
            (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20))))
        (call $ok (i32.const 0) (i32.const 0))""",
        locals_="(local $n i32)",
        **LOG,
    ),
    "logs-ever": tool_wat(
        """(loop $again
          (call $emit (i32.const 1) (local.get $text) (local.get $text_len)) (br $again))
        (unreachable)""",
        **LOG,
    ),
    "sleep": tool_wat(
        """(call $block (call $after (i64.const 5000000000)))
        (call $ok (i32.const 0) (i32.const 0))""",
        **SLEEP,
    ),
    "nap": tool_wat(
        """(call $block (call $after (i64.const 1000000)))
        (call $ok (i32.const 0) (i32.const 0))""",
        **SLEEP,
    ),
    "waits": tool_wat(
        """(loop $again (drop (call $after (i64.const 1))) (br $again)) (unreachable)""", **SLEEP
    ),
    "flood": tool_wat(
        """(loop $again
          (call $write (call $stdout) (i32.const 0) (i32.const 4096) (i32.const 128))
          (br $again)) (unreachable)""",
        **PRINT,
    ),
    "print": tool_wat(
        """(call $write (call $stdout) (local.get $text) (local.get $text_len) (i32.const 128))
        (call $ok (i32.const 0) (i32.const 0))""",
        **PRINT,
    ),
    "begins-asking": tool_wat(
        _begins_with("(call $get (i32.const 0) (i32.const 1) (i32.const 128))"), **CONFIG
    ),
    "begins-printing": tool_wat(
        _begins_with("(call $write (call $stdout) (i32.const 16) (i32.const 2) (i32.const 128))"),
        **PRINT,
    ),
    "http": tool_wat(
        "(call $err)",
        imports="""(import "wasi:http/outgoing-handler@0.2.0" (instance
          (export "handle" (func (param "x" u32)))))""",
    ),
}
"""Tools by what they do. Each takes any name and text."""


def mirror_wat(expression: str, named: list[tuple[str, str]] | None = None) -> str:
    """A component that hands a value to the gateway and gives back what it gets for it.

    It imports `mirror.give` and exports `echo.give`, both from this type to it. The value goes
    with seventeen numbers, so that it always passes through memory.

    Args:
        expression: The type, in WAT; may use the names in `named`.
        named: Types that need a name, in their order: name without `$`, and WAT.
    """
    named = named or []
    numbers = " ".join(["u32"] * 17)
    whole = f"(tuple {expression} {numbers})"

    def instance_types(target: str) -> str:
        return "".join(
            f'(type $raw-{name} {wat}) ({target} "{name}" (type ${name} (eq $raw-{name})))'
            for name, wat in named
        )

    exported = "".join(f'(export $out-{name} "{name}" (type ${name}))' for name, _ in named)
    outward = whole
    for name, _ in named:
        outward = outward.replace(f"${name} ", f"$out-{name} ").replace(
            f"${name})", f"$out-{name})"
        )
    plain = "".join(f"(type ${name} {wat})" for name, wat in named)
    handed = "".join(f'(with "{name}" (type ${name}))' for name, _ in named)
    return f"""
(component
  (import "carapace:plugin/mirror@1.0.0" (instance $mirror
    {instance_types("export")}
    (export "give" (func (param "value" {whole}) (result {whole})))))
  {CORE}
  (core func $give (canon lower (func $mirror "give")
    (memory $memory) (realloc (core func $realloc))))
  (core instance $host (export "give" (func $give)))
  (core module $main
    (import "host" "give" (func $give (param i32 i32)))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (func (export "give") (param $at i32) (result i32) (local $back i32)
      (local.set $back
        (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 4096)))
      (call $give (local.get $at) (local.get $back))
      (local.get $back)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc)) (with "host" (instance $host))))
  {
        "".join(f'(alias export $mirror "{name}" (type ${name}))' for name, _ in named)
        if named
        else plain
    }
  (func $lifted (param "value" {whole}) (result {whole}) (canon lift (core func $main "give")
    (memory $memory) (realloc (core func $realloc))))
  (component $shim
    {instance_types("import")}
    (import "function" (func $f (param "value" {whole}) (result {whole})))
    {exported}
    (export "give" (func $f) (func (param "value" {outward}) (result {outward}))))
  (instance $echo (instantiate $shim (with "function" (func $lifted)) {handed}))
  (export "carapace:plugin/echo@1.0.0" (instance $echo)))
"""


def wasm(wat: str) -> bytes:
    """The binary form of a component in text."""
    return bytes(importlib.import_module("wasmtime").wat2wasm(wat))


@functools.cache
def compiled(wat: str) -> Path:
    """The machine code of a component in text, in a file that stays for this run."""
    path = _passing_folder() / f"{hashlib.sha256(wat.encode()).hexdigest()}.cwasm"
    path.write_bytes(_machine_code(wasm(wat)))
    return path


def hazard(name: str) -> Path:
    """The machine code of one of `HAZARDS`."""
    return compiled(HAZARDS[name])


def _machine_code(data: bytes) -> bytes:
    engine = importlib.import_module("carapace.plugins.worker.engine")
    return bytes(engine.compile_component(engine.new_engine(), data).serialize())


@functools.cache
def _passing_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="carapace-guests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _lasting_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "carapace-tests" / "wasm"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _keep(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    Path(name).replace(path)


def built_guest(name: str, *, is_compiled: bool = False) -> Path:
    """A component of `tests/guests/<name>/`, built with its own toolchain; kept by content.

    `python` takes half a minute the first time. A missing toolchain skips the test, loudly.

    Args:
        name: `python`.
        is_compiled: Give the machine code instead.
    """
    source = ROOT / "tests" / "guests" / name
    contract = ROOT / "wit" / "plugin.wit"
    files = [contract, *sorted(one for one in source.rglob("*") if one.is_file())]
    key = hashlib.sha256()
    for one in files:
        key.update(one.name.encode() + b"\0" + one.read_bytes())
    kept = _lasting_folder() / f"{name}-{key.hexdigest()}.wasm"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            _keep(kept, _build_python(source, contract, Path(folder)))
    if not is_compiled:
        return kept
    key.update(compiled_for().encode())
    code = _lasting_folder() / f"{name}-{key.hexdigest()}.cwasm"
    if not code.exists():
        _keep(code, _machine_code(kept.read_bytes()))
    return code


def _build_python(source: Path, contract: Path, folder: Path) -> bytes:
    tool = Path(sys.executable).parent / "componentize-py"
    if not tool.exists():
        pytest.skip("componentize-py is not installed: no Python guest is tested")
    wit = folder / "wit"
    wit.mkdir()
    shutil.copy(contract, wit)
    shutil.copy(source / "world.wit", wit)
    shutil.copy(source / "app.py", folder)
    out = folder / "out.wasm"
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    subprocess.run(
        [tool, "-d", wit, "-w", "guest", "componentize", "app", "-p", folder, "-o", out],
        check=True,
        capture_output=True,
        cwd=folder,
        env=environment,
        timeout=BUILD_TIMEOUT_S,
    )
    return out.read_bytes()
