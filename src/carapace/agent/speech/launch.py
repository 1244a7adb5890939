"""Confines itself and becomes the engine: `python -m carapace.agent.speech.launch PID PROGRAM ...`.

An engine is native code that reads words of strangers. It may not write a file, outlive the
gateway, gain privileges, or take more memory and time than a recording is worth.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from carapace.confine import confine

__all__ = ["MAX_CPU_S", "MAX_DATA_BYTES", "main"]

MAX_DATA_BYTES: Final = 2 * 1024 * 1024 * 1024
MAX_CPU_S: Final = 120


def main(arguments: list[str]) -> None:
    """Confine this process and run the program in its place.

    Args:
        arguments: The gateway's process id, then program and arguments.

    Raises:
        OSError: If it cannot be run.
    """
    confine(int(arguments[0]), max_data_bytes=MAX_DATA_BYTES, max_cpu_s=MAX_CPU_S)
    os.execv(arguments[1], arguments[1:])  # noqa: S606 - an argument vector is what is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
