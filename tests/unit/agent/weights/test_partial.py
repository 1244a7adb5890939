from __future__ import annotations

import pytest

from carapace.agent.weights.partial import Partial
from carapace.errors import Failed


def test_it_remembers_the_last_slice_across_runs(tmp_path):
    partial = Partial(tmp_path / "p")
    assert (partial.size_bytes, partial.state()) == (0, (0, 0))
    partial.finish_part(0, 0)
    partial.assembled.write_bytes(b"12345")
    partial.finish_part(2, 5)
    assert Partial(tmp_path / "p").state() == (2, 5)
    assert partial.folder.stat().st_mode & 0o777 == 0o700


def test_a_state_that_does_not_fit_the_file_counts_for_nothing(tmp_path):
    partial = Partial(tmp_path / "p")
    partial.assembled.write_bytes(b"12345")
    partial.finish_part(2, 5)
    partial.assembled.write_bytes(b"12")
    assert partial.state() == (0, 0)
    (tmp_path / "p/state.json").write_text("{torn")
    assert partial.state() == (0, 0)


def test_only_one_writes_at_a_time(tmp_path):
    partial = Partial(tmp_path / "p")
    with partial.lock(), pytest.raises(Failed, match="Another process"), partial.lock():
        raise AssertionError("two at once")
    with partial.lock():
        partial.discard()
    assert not partial.folder.exists()
