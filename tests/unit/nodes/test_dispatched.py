"""Only news of programs that were asked for is believed."""

from __future__ import annotations

from carapace.nodes.dispatched import Dispatched


def test_each_news_is_taken_once_and_the_end_is_the_end() -> None:
    runs = Dispatched()
    runs.add("n1", "r1", "main", 0.0)
    assert runs.take("n1", "r1", "exec.started", 1.0) == "main"
    assert runs.take("n1", "r1", "exec.started", 1.0) is None
    assert runs.take("n1", "r1", "exec.finished", 2.0) == "main"
    assert runs.take("n1", "r1", "exec.denied", 2.0) is None
    assert len(runs) == 0


def test_another_nodes_run_and_an_unknown_one_are_not_its_to_tell() -> None:
    runs = Dispatched()
    runs.add("n1", "r1", "main", 0.0)
    assert runs.take("n2", "r1", "exec.finished", 1.0) is None
    assert runs.take("n1", "r2", "exec.finished", 1.0) is None


def test_a_run_is_forgotten_after_an_hour() -> None:
    runs = Dispatched()
    runs.add("n1", "r1", "main", 0.0)
    assert runs.take("n1", "r1", "exec.started", 3_599.0) == "main"
    assert runs.take("n1", "r1", "exec.finished", 3_600.0) is None


def test_the_oldest_runs_make_room() -> None:
    runs = Dispatched()
    for number in range(1_001):
        runs.add("n1", f"r{number}", "main", 0.0)
    runs.add("n1", "r1", "other", 0.0)
    assert len(runs) == 1_000
    assert runs.take("n1", "r0", "exec.started", 1.0) is None
    assert runs.take("n1", "r1", "exec.started", 1.0) == "other"
