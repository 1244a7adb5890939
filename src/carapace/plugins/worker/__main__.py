"""The process of one plugin.

`python -I -m carapace.plugins.worker PARENT SOCKET COMPONENT`: process id of the gateway, an
inherited socket that speaks `carapace.plugins.frames`, and an inherited file with the compiled
component, which the gateway has authenticated. The first frame is `load`; its result comes after
the process has given up all it does not need.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from carapace.confine import confine, seal
from carapace.plugins.errors import GuestError
from carapace.plugins.frames import Fault, FrameError, Load, Result
from carapace.plugins.worker import code_pages
from carapace.plugins.worker.engine import InvalidComponent, load_component, new_engine
from carapace.plugins.worker.loop import GuestThread, Stream, serve
from carapace.plugins.worker.sealing import WORKER_CALLS

__all__ = ["main"]

_BASE_BYTES: Final = 512 * 1024 * 1024
"""Of the process itself, and of values on their way from and to a guest."""
_MEMORIES: Final = 3
"""How many instances of the largest size may be there at once: a call, the service, a spare."""
_OK: Final = 0
_BROKEN: Final = 2


def main(argv: list[str]) -> int:
    """Serve one plugin.

    Returns:
        The exit status: 0 after `stop`, the gateway's end or a refused load; 2 if the gateway
        did not keep to the rules.
    """
    parent_pid, socket, component = (int(one) for one in argv)
    stream = Stream(socket)
    try:
        load = _first(stream)
        max_data_bytes = _BASE_BYTES + _MEMORIES * load.limits.memory_bytes
        confine(parent_pid, max_data_bytes=max_data_bytes)
        thread = _loaded(stream, load, component)
        if thread is not None:
            serve(stream, thread)
    except EOFError:
        return _OK
    except FrameError as error:
        sys.stderr.write(f"the gateway broke the rules: {error}\n")
        return _BROKEN
    return _OK


def _first(stream: Stream) -> Load:
    load = stream.next()
    if not isinstance(load, Load):
        raise FrameError("the first frame is not a load")
    return load


def _loaded(stream: Stream, load: Load, descriptor: int) -> GuestThread | None:
    """The guest's thread, sealed like this one; None if the gateway was told why there is none."""
    try:
        engine = new_engine()
        thread = GuestThread(stream, engine, lambda: seal(WORKER_CALLS))
        guest = thread.load(load_component(engine, descriptor), load)
    except GuestError as error:
        stream.send(Result(load.id, err=Fault.of(error)))
        return None
    except (InvalidComponent, OSError) as error:
        stream.send(Result(load.id, err=Fault("INVALID_COMPONENT", str(error))))
        return None
    os.close(descriptor)
    code_pages.give_back()
    thread.start()
    is_sealed = seal(WORKER_CALLS) and thread.is_sealed
    stream.send(Result(load.id, ok=guest.describe(is_sealed=is_sealed)))
    return thread


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # the guest's thread may still run
