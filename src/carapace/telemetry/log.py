"""Logging: structlog in front, one pipeline behind, for our own lines and for libraries'.

    log = get_logger(__name__)
    log.info("session reset", session=key)

A line is built once, redacted once, and then handed to every outlet: the console (pretty on
a terminal, JSON otherwise), the ring and the file. What libraries say through stdlib
`logging` takes the same way. structlog is imported at the first line, not before: a command
that logs nothing does not pay for it.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Generator, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import msgspec

from carapace.telemetry.redact import Redactor
from carapace.value import Value

__all__ = ["LogOptions", "Logger", "Outlet", "configure", "get_logger"]

Outlet = Callable[[bytes], None]
"""Takes one JSON line without its newline; must not raise."""

LevelName = Literal[
    "silent", "fatal", "critical", "error", "warn", "warning", "info", "debug", "trace"
]
"""Our names and those of the Node gateway's settings."""

_MAX_IN_CHARS: Final = 32_768
_MAX_OUT_CHARS: Final = 8_192
_LEVELS: Final[dict[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "warn": logging.WARNING,
    "fatal": logging.CRITICAL,
    "trace": logging.DEBUG,
    "silent": logging.CRITICAL + 10,
}


class LogOptions(Value, frozen=True):
    """How to log.

    Attributes:
        level: The least that is kept anywhere.
        console_level: The least that is shown; None is `level`. Raised while a chat has the
            terminal.
        style: `auto` is pretty on a terminal and JSON otherwise.
        stream: The console; standard output is never used, programs read it.
        redactor: Sees every line before any outlet.
        outlets: Further takers of the JSON line.
    """

    level: LevelName = "info"
    console_level: LevelName | None = None
    style: Literal["auto", "pretty", "json"] = "auto"
    stream: TextIO = msgspec.field(default_factory=lambda: sys.stderr)
    redactor: Redactor = msgspec.field(default_factory=Redactor)
    outlets: Sequence[Outlet] = ()


class _Pipeline:
    """The last processor of every line: redact, encode, hand out."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._level = _LEVELS[options.level]
        self._console_level = _LEVELS[options.console_level or options.level]
        self._is_pretty = options.style == "pretty" or (
            options.style == "auto" and options.stream.isatty()
        )
        self._render: Any = None
        self._lock = threading.Lock()

    def deliver(self, event: MutableMapping[str, Any]) -> None:
        """Write one event to the outlets and, if it is grave enough, to the console."""
        if _LEVELS.get(str(event.get("level")), logging.INFO) < self._level:
            return
        entry: dict[str, Any] = {
            "time": _now(),
            "level": event.pop("level", "info"),
            "logger": event.pop("logger", ""),
            "event": _clip(self._options.redactor, event.pop("event", "")).replace("\n", "\\n"),
        }
        for key, value in event.items():
            entry[key] = self._value(key, value)
        line = msgspec.json.encode(entry)
        for outlet in self._options.outlets:
            outlet(line)
        if _LEVELS.get(entry["level"], 0) >= self._console_level:
            self._show(entry, line)

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, (bool, int, float)) or value is None:
            return value
        redacted = self._options.redactor.mapping({key: value})
        kept: Any = next(iter(redacted.values()))
        return kept[:_MAX_OUT_CHARS] if isinstance(kept, str) else kept

    def _show(self, entry: dict[str, Any], line: bytes) -> None:
        text = self._pretty(entry) if self._is_pretty else line.decode()
        with self._lock:
            try:
                self._options.stream.write(text + "\n")
                self._options.stream.flush()
            except (OSError, ValueError):
                return  # a closed terminal must not stop the gateway

    def _pretty(self, entry: dict[str, Any]) -> str:
        if self._render is None:
            self._render = _structlog().dev.ConsoleRenderer(
                colors=self._options.stream.isatty(), timestamp_key="time", pad_event_to=32
            )
        return str(self._render(None, "", {**entry, "time": entry["time"][11:23]}))


class _Library(logging.Handler):
    """Takes what libraries log through stdlib into the pipeline."""

    def __init__(self, pipeline: _Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record; a record that cannot be formatted is reported as such."""
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a library's bad format string must not stop us
            text = f"unformattable log record: {error!r}"
        event: dict[str, Any] = {
            "event": text,
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        self._pipeline.deliver(event)


class _Sink:
    """What structlog calls at the end of its chain."""

    __slots__ = ("_name", "_pipeline")

    def __init__(self, pipeline: _Pipeline, name: str) -> None:
        self._pipeline = pipeline
        self._name = name

    def write(self, event: dict[str, Any]) -> None:
        event["logger"] = self._name
        self._pipeline.deliver(event)

    debug = info = warning = error = critical = exception = write


class Logger:
    """A named logger; free until its first line.

    The level methods take an event (a few fixed words) and fields. Fields are values, never
    formatted into the event, so that they can be searched and redacted by name.
    """

    __slots__ = ("_bound", "_fields", "_generation", "_name")

    def __init__(self, name: str, fields: dict[str, Any] | None = None) -> None:
        self._name = name
        self._fields = fields or {}
        self._bound: Any = None
        self._generation = -1

    def bind(self, **fields: Any) -> Logger:
        """A logger that adds `fields` to each of its lines."""
        return Logger(self._name, {**self._fields, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """Of use to whoever looks for a fault."""
        self._target().debug(event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        """Something an operator may want to know happened."""
        self._target().info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something is odd, and handled."""
        self._target().warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """Something failed that somebody should look at."""
        self._target().error(event, **fields)

    def exception(self, event: str, **fields: Any) -> None:
        """As `error`, with the traceback of the exception being handled."""
        self._target().exception(event, **fields)

    def critical(self, event: str, **fields: Any) -> None:
        """The gateway cannot do its work."""
        self._target().critical(event, **fields)

    def _target(self) -> Any:
        if self._bound is None or self._generation != _state.generation:
            self._bound = _state.bound(self._name, self._fields)
            self._generation = _state.generation
        return self._bound


class _State:
    """The process's logging set-up; replaced as a whole by `configure`."""

    def __init__(self) -> None:
        self.generation = 0
        self._pipeline: _Pipeline | None = None
        self._level = logging.WARNING

    def set(self, options: LogOptions) -> None:
        self._pipeline = _Pipeline(options)
        self._level = _LEVELS[options.level]
        self.generation += 1

    def library_handler(self) -> logging.Handler:
        return _Library(self.pipeline())

    def pipeline(self) -> _Pipeline:
        """What `configure` made; before that, warnings and worse go to standard error."""
        if self._pipeline is None:
            self._pipeline = _Pipeline(LogOptions(level="warning"))
        return self._pipeline

    def bound(self, name: str, fields: dict[str, Any]) -> Any:
        structlog = _structlog()
        return structlog.wrap_logger(
            _Sink(self.pipeline(), name),
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                _as_one_argument,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(min(self._level, logging.CRITICAL)),
            context_class=dict,
        ).bind(**fields)


_state = _State()


def get_logger(name: str) -> Logger:
    """The logger called `name` (a module's `__name__`). Costs nothing; safe at import."""
    return Logger(name.removeprefix("carapace."))


_CHATTY: Final = ("aiohttp.access", "httpx2", "httpcore2", "openai", "anthropic", "watchfiles")
"""Libraries that log each request or file change; ours are logged where they matter."""


def configure(options: LogOptions) -> None:
    """Set up logging for the process; may be called again, loggers in use follow.

    Called by `app.py` and the command line only.
    """
    _state.set(options)
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _Library):
            root.removeHandler(handler)
    root.addHandler(_state.library_handler())
    root.setLevel(max(_LEVELS[options.level], logging.INFO))
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


@contextmanager
def _without_rich() -> Generator[None]:
    """Keep structlog from importing rich, which it would use if it finds it.

    rich with its syntax colours is two thirds of structlog's import time and ten megabytes
    of a process that may never print a traceback to a terminal. `None` in `sys.modules` is
    the import system's own way to say "not there".
    """
    if "rich" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment] - documented use of None
    try:
        yield
    finally:
        del sys.modules["rich"]


def _structlog() -> Any:
    with _without_rich():
        import structlog  # noqa: PLC0415 - imported at the first line logged
    return structlog


def _as_one_argument(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[MutableMapping[str, Any]], dict[str, Any]]:
    """The last processor: give the sink the event as it is, not as keyword arguments."""
    return (event,), {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clip(redactor: Redactor, value: Any) -> str:
    return redactor.text(str(value)[:_MAX_IN_CHARS])[:_MAX_OUT_CHARS]
