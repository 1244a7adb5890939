"""`logging.*`: what is written down about the gateway's own work."""

from __future__ import annotations

from typing import Annotated, Literal

from carapace.config.settings.setting import PositiveInt, Section, setting

__all__ = ["LogLevel", "LoggingSettings"]

LogLevel = Literal["silent", "fatal", "error", "warn", "info", "debug", "trace"]


class LoggingSettings(Section, frozen=True):
    """What is written down about the gateway's own work."""

    level: Annotated[LogLevel, setting("Least level that reaches the log file.", live=True)] = (
        "info"
    )
    console_level: Annotated[
        LogLevel | None, setting("Least level on the console; without it `level`.", live=True)
    ] = None
    console_style: Annotated[
        Literal["pretty", "compact", "json"] | None,
        setting("Console format; without it pretty on a terminal and JSON elsewhere."),
    ] = None
    file: Annotated[
        str | None, setting("Log file; without it `logs/gateway.log` in the state folder.")
    ] = None
    max_file_bytes: Annotated[PositiveInt, setting("Size at which the log file rotates.")] = (
        10_485_760
    )
    max_files: Annotated[PositiveInt, setting("Rotated log files that are kept.")] = 5
    redact_patterns: Annotated[
        tuple[str, ...], setting("Further regular expressions whose matches are hidden.", live=True)
    ] = ()
