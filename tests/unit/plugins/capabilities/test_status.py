"""What a plugin says of its accounts is one short line without secrets."""

from __future__ import annotations

from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.plugins.capabilities.status import StatusCapability
from support.capabilities import HeldSecrets, RecordingBoard, code_of


def make(board: RecordingBoard):
    secrets = PluginSecrets(frozenset({"token"}), HeldSecrets(token="abc-secret"))
    return StatusCapability("demo", board, secrets).call


async def test_it_is_shown():
    board = RecordingBoard()
    await make(board)("set", ["default", "degraded", "two\nlines, abc-secret " + "x" * 999])
    (plugin, account, state, detail) = board.shown[0]
    assert (plugin, account, state) == ("demo", "default", "degraded")
    assert detail.startswith("two lines, *** xxx")
    assert len(detail) == 500


async def test_an_unknown_state_is_refused():
    board = RecordingBoard()
    assert await code_of(make(board)("set", ["default", "great", ""])) == "invalid-argument"
    assert not board.shown
