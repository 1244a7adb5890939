from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from carapace.confine import filter_program
from carapace.plugins.worker.sealing import COMPILER_CALLS, WORKER_CALLS

FORBIDDEN = ("open", "openat", "socket", "connect", "execve", "ptrace", "kill", "unlink", "fork")

PROBE = """
import json, os, socket, sys, threading
from carapace.confine import confine, seal
from carapace.plugins.worker import sealing
confine(int(sys.argv[1]))
seal(getattr(sealing, sys.argv[2]))
def tried(what):
    try:
        what()
    except (OSError, RuntimeError) as error:
        return getattr(error, "errno", "refused")
    return "done"
print(json.dumps({
    "open": tried(lambda: os.open("/etc/hostname", os.O_RDONLY)),
    "create": tried(lambda: os.open("/tmp/x", os.O_CREAT | os.O_WRONLY)),
    "socket": tried(lambda: socket.socket()),
    "exec": tried(lambda: os.execv("/bin/true", ["true"])),
    "kill": tried(lambda: os.kill(os.getppid(), 0)),
    "thread": tried(lambda: threading.Thread(target=int).start()),
}), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("calls", [WORKER_CALLS, COMPILER_CALLS])
def test_no_list_has_a_call_that_reaches_out(calls):
    names = [call.name for call in calls]
    assert len(set(names)) == len(names)
    assert not set(names) & set(FORBIDDEN)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or filter_program(platform.machine(), WORKER_CALLS) is None,
    reason="no seal here",
)
@pytest.mark.parametrize(
    ("name", "thread"), [("WORKER_CALLS", "refused"), ("COMPILER_CALLS", "done")]
)
def test_a_sealed_process_opens_no_file_and_no_socket(name, thread):
    import json  # noqa: PLC0415 - of this one test
    import os  # noqa: PLC0415 - as above

    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(os.getpid()), name],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert seen.pop("thread") == thread
    assert set(seen.values()) == {1}  # EPERM
