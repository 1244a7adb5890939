"""A SIGTERM is heard, once, whatever the main thread waits for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from carapace.cli.leaving import leaving_on_sigterm

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")


def test_the_first_one_leaves_and_the_second_disturbs_nothing():
    before = signal.getsignal(signal.SIGTERM)
    steps: list[str] = []
    with pytest.raises(SystemExit) as caught, leaving_on_sigterm():  # noqa: PT012 - the block is the case
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("not reached")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("cleaned")
    assert caught.value.code == 0
    assert steps == ["cleaned"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_a_signal_nothing_is_left_behind():
    before = signal.getsignal(signal.SIGTERM)
    with leaving_on_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.slow
def test_one_that_falls_on_another_thread_wakes_a_main_thread_that_waits_for_input():
    script = (
        "import os, signal, threading\n"
        "from carapace.cli.leaving import leaving_on_sigterm\n"
        "def other():\n"
        "    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)\n"
        "with leaving_on_sigterm():\n"
        "    threading.Timer(0.2, other).start()\n"
        "    os.read(0, 1)\n"
        "raise SystemExit(9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
        assert process.wait(timeout=20) == 0
