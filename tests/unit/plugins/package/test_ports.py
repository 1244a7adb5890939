"""What the runtime of a test does fits the port."""

from __future__ import annotations

from carapace.plugins.package.ports import PluginRuntime
from carapace.plugins.ports import RunPhase
from support.packages import RecordingRuntime


def test_the_recording_runtime_is_a_runtime():
    runtime: PluginRuntime = RecordingRuntime()
    assert runtime.state("hello").phase is RunPhase.STOPPED
