from __future__ import annotations

from carapace.agent.weights.choose import choose, free_memory_bytes, physical_cores
from carapace.agent.weights.manifest import SMALL, STARTER


def test_four_gigabytes_decide():
    assert choose(4_000_000_000) is STARTER
    assert choose(3_999_999_999) is SMALL
    assert choose(None) is SMALL


def machine(tmp_path, *, available_kb=None, limit=None, used="0", cache="0"):
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    if available_kb is not None:
        text = f"MemTotal: 9 kB\nMemAvailable:  {available_kb} kB\n"
        (tmp_path / "proc/meminfo").write_text(text)
    if limit is not None:
        (tmp_path / "sys/fs/cgroup/memory.max").write_text(f"{limit}\n")
        (tmp_path / "sys/fs/cgroup/memory.current").write_text(used)
        (tmp_path / "sys/fs/cgroup/memory.stat").write_text(f"anon 5\ninactive_file {cache}\n")
    return tmp_path


def test_memory_is_what_the_kernel_calls_available(tmp_path):
    assert free_memory_bytes(machine(tmp_path, available_kb=2000)) == 2_048_000


def test_a_container_may_have_less(tmp_path):
    root = machine(tmp_path, available_kb=10_000, limit="5000", used="4000", cache="500")
    assert free_memory_bytes(root) == 1500


def test_a_container_without_limit_has_the_machines(tmp_path):
    assert free_memory_bytes(machine(tmp_path, available_kb=1, limit="max")) == 1024


def test_without_a_figure_half_of_the_machine_counts(tmp_path):
    free = free_memory_bytes(machine(tmp_path))
    assert free is None or free > 0
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\n")
    assert free_memory_bytes(tmp_path) == free


def test_hyper_threads_do_not_count(tmp_path):
    (tmp_path / "proc").mkdir()
    block = "processor : {}\nphysical id : 0\ncore id : 0\n"
    (tmp_path / "proc/cpuinfo").write_text("\n".join(block.format(n) for n in range(2)))
    assert physical_cores(tmp_path) == 1
    (tmp_path / "proc/cpuinfo").write_text("processor : 0\n")
    assert physical_cores(tmp_path) >= 1
    assert physical_cores(tmp_path / "none") >= 1
