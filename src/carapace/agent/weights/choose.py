"""Which of the models fits this machine: its free memory and its cores."""

from __future__ import annotations

import os
from pathlib import Path

from carapace.agent.weights.manifest import SMALL, STARTER, Weights

__all__ = ["choose", "free_memory_bytes", "physical_cores"]

_CPUINFO_KEYS = ("physical id", "core id")


def choose(free_bytes: int | None) -> Weights:
    """The larger model where at least 4 GB of memory are free, else the small one.

    Args:
        free_bytes: See `free_memory_bytes`; None if unknown, which counts as little.
    """
    if free_bytes is not None and free_bytes >= STARTER.needs_free_bytes:
        return STARTER
    return SMALL


def free_memory_bytes(root: Path = Path("/")) -> int | None:
    """Memory that a new process could use, within this container's limit; None if unknown.

    Args:
        root: Where `proc` and `sys` are; a test brings its own.
    """
    machine = _available(root / "proc/meminfo")
    if machine is None:
        return _sysconf_bytes()
    container = _container_free(root / "sys/fs/cgroup")
    return machine if container is None else min(machine, container)


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _container_free(cgroup: Path) -> int | None:
    """What a cgroup v2 limit leaves; page cache counts as free, the kernel gives it back."""
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        stat = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    cache = sum(int(line.split()[1]) for line in stat if line.startswith("inactive_file "))
    return max(0, int(limit) - used + cache)


def _sysconf_bytes() -> int | None:
    """Half of the machine's memory where nothing tells what is free (macOS)."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def physical_cores(root: Path = Path("/")) -> int:
    """Cores without counting hyper-threads, at least 1, at most what this process may use.

    Generation is bound by memory and vector units, which two threads of a core share.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return max(1, (usable or 2) // 2)
    cores: set[tuple[str, ...]] = set()
    for block in text.strip().split("\n\n"):
        fields = dict(_field(line) for line in block.splitlines() if ":" in line)
        if all(key in fields for key in _CPUINFO_KEYS):
            cores.add(tuple(fields[key] for key in _CPUINFO_KEYS))
    return max(1, min(len(cores) or usable or 1, usable or 1))


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()
