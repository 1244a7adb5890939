"""What the gateway and the process of a plugin say to each other.

A frame is a length (four bytes, big-endian) and that much JSON, over a pair of sockets. The
gateway sends `load` once, then calls; while a call runs, the worker may ask for things with
`host_call` and waits for the `answer`. Neither side believes the other about sizes.

Values are JSON: a record is an object with snake_case keys, an enum its kebab-case name, flags a
list of names, a variant `{"tag", "value"}`, an option null or the value, lists and tuples arrays.
A result that a function itself returns is its ok value or an error; a result anywhere else is
`{"ok": ...}` or `{"err": ...}`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from carapace.plugins.errors import GuestError, GuestTrap, TrapKind

__all__ = [
    "HEADER_BYTES",
    "MAX_FRAME_BYTES",
    "Answer",
    "Call",
    "Fault",
    "FrameError",
    "FrameReader",
    "FromWorker",
    "HostCall",
    "InstanceKind",
    "Load",
    "Loaded",
    "Output",
    "Result",
    "Stop",
    "ToWorker",
    "Trap",
    "WorkerLimits",
    "decode_from_worker",
    "decode_to_worker",
    "frame",
]

HEADER_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 32 * 1024 * 1024

InstanceKind = Literal["fresh", "service"]
"""`fresh` is made for the one call; `service` lives until the plugin stops or traps."""


class FrameError(ValueError):
    """The other side broke the rules of framing; nothing after that can be read."""


class WorkerLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one instance may use.

    Attributes:
        memory_bytes: Linear memory of all of its core instances together, each.
        output_bytes: Of standard output and error, per call.
        value_bytes: Of all values that the guest hands over at once: an answer, or what it asks.
    """

    memory_bytes: int = 64 * 1024 * 1024
    output_bytes: int = 64 * 1024
    value_bytes: int = 16 * 1024 * 1024


class Load(msgspec.Struct, frozen=True, tag_field="op", tag="load", forbid_unknown_fields=True):
    """The first frame: what the component behind the worker's descriptor may have.

    Attributes:
        id: Comes back in the result.
        grants: Names of the import interfaces it may use: `kv`, `http`.
        exports: Names of the interfaces it has to offer: `manifest`, `tool`.
        limits: Of every instance.
    """

    id: int
    grants: tuple[str, ...]
    exports: tuple[str, ...]
    limits: WorkerLimits = WorkerLimits()


class Call(msgspec.Struct, frozen=True, tag_field="op", tag="call", forbid_unknown_fields=True):
    """Run a function of the plugin.

    Attributes:
        id: Comes back in the result; larger than any before.
        interface: Name of an export, without package and version: `tool`.
        function: Its kebab-case name: `send-text`.
        arguments: As the module docstring describes values.
        deadline_ms: Milliseconds it may take from when the worker reads this.
        instance: Which instance serves it.
    """

    id: int
    interface: str
    function: str
    arguments: list[Any]
    deadline_ms: int
    instance: InstanceKind = "fresh"


class Stop(msgspec.Struct, frozen=True, tag_field="op", tag="stop", forbid_unknown_fields=True):
    """End now; there is no answer but the end of the stream."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`types.error` of the contract."""

    code: str
    message: str
    retryable: bool = False
    retry_after_ms: int | None = None

    @classmethod
    def of(cls, error: GuestError) -> Fault:
        """As it travels."""
        return cls(error.code, error.message, bool(error.retryable), error.retry_after_ms)

    def as_error(self) -> GuestError:
        """As it is raised."""
        return GuestError(
            self.code,
            self.message,
            retryable=self.retryable,
            retry_after_ms=self.retry_after_ms,
        )


class Answer(msgspec.Struct, frozen=True, tag_field="op", tag="answer", forbid_unknown_fields=True):
    """What became of a host call.

    Attributes:
        id: The host call's.
        ok: The value, if `err` is none.
        err: Why there is none. Where the function has no result type, the guest traps.
    """

    id: int
    ok: Any = None
    err: Fault | None = None


class Trap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The guest was stopped; see `carapace.plugins.errors.TrapKind`."""

    kind: TrapKind
    text: str

    @classmethod
    def of(cls, error: GuestTrap) -> Trap:
        """As it travels."""
        return cls(error.kind, error.text)

    def as_error(self) -> GuestTrap:
        """As it is raised."""
        return GuestTrap(self.kind, self.text)


class Loaded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `Result.ok` holds after a `load`.

    Attributes:
        imports: All that the component imports, full names.
        exports: All that it exports, full names.
        is_sealed: Whether the process gave up the system calls it does not need.
    """

    imports: tuple[str, ...]
    exports: tuple[str, ...]
    is_sealed: bool


class Result(msgspec.Struct, frozen=True, tag_field="op", tag="result", forbid_unknown_fields=True):
    """The end of a load or a call; `ok` counts if both others are none.

    After a failed load `err.code` is `INVALID_COMPONENT`, `IMPORT_REFUSED` or `EXPORT_MISSING`,
    and the worker ends.
    """

    id: int
    ok: Any = None
    err: Fault | None = None
    trap: Trap | None = None


class HostCall(
    msgspec.Struct, frozen=True, tag_field="op", tag="host_call", forbid_unknown_fields=True
):
    """The guest asks for something.

    Attributes:
        id: Comes back in the answer.
        call_id: The call that it happened in.
        interface: Name of a granted import: `kv`.
        function: Its kebab-case name: `compare-and-set`.
        arguments: As the module docstring describes values.
    """

    id: int
    call_id: int
    interface: str
    function: str
    arguments: list[Any]


class Output(msgspec.Struct, frozen=True, tag_field="op", tag="output", forbid_unknown_fields=True):
    """The guest printed something; bytes that are no UTF-8 are replaced."""

    call_id: int
    text: str


ToWorker = Load | Call | Answer | Stop
FromWorker = Result | HostCall | Output

_ENCODE: Final = msgspec.json.Encoder().encode
_TO_WORKER: Final[msgspec.json.Decoder[ToWorker]] = msgspec.json.Decoder(ToWorker)
_FROM_WORKER: Final[msgspec.json.Decoder[FromWorker]] = msgspec.json.Decoder(FromWorker)


def frame(message: ToWorker | FromWorker) -> bytes:
    """One message with its length.

    Raises:
        FrameError: If it is longer than a frame may be.
        UnicodeEncodeError: If a text holds half a surrogate pair.
    """
    body = _ENCODE(message)
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes is longer than {MAX_FRAME_BYTES}")
    return struct.pack(">I", len(body)) + body


def decode_to_worker(body: bytes) -> ToWorker:
    """What the gateway said.

    Raises:
        FrameError: If it makes no sense.
    """
    try:
        return _TO_WORKER.decode(body)
    except msgspec.DecodeError as error:
        raise FrameError(str(error)) from None


def decode_from_worker(body: bytes) -> FromWorker:
    """What the worker said; it is not to be trusted.

    Raises:
        FrameError: If it makes no sense.
    """
    try:
        return _FROM_WORKER.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FrameError(str(error)) from None


class FrameReader:
    """Cuts a stream of bytes into the bodies of frames. No I/O."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what was read; give the bodies that are complete with it.

        The iterator must be used up before the next call.

        Raises:
            FrameError: If a frame is announced that is longer than allowed.
        """
        self._held += data
        while len(self._held) >= HEADER_BYTES:
            (size,) = struct.unpack_from(">I", self._held)
            if size > self._max_bytes:
                raise FrameError(f"a frame of {size} bytes is longer than {self._max_bytes}")
            end = HEADER_BYTES + size
            if len(self._held) < end:
                return
            body = bytes(self._held[HEADER_BYTES:end])
            del self._held[:end]
            yield body
