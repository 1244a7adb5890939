"""Jobs that come due."""

from __future__ import annotations

from typing import Any

from support.native.frames import NativeStruct

__all__ = ["CronEntries", "CronEntry", "CronEvent", "CronJob", "CronJobs", "CronStatus", "Done"]


class CronJob(NativeStruct, kw_only=True):
    """A bad one loses the list."""

    id: str
    name: str
    enabled: bool
    created_at_ms: int
    updated_at_ms: int
    schedule: dict[str, Any]
    session_target: str
    wake_mode: str
    payload: dict[str, Any]
    state: dict[str, Any]


class CronJobs(NativeStruct):
    jobs: list[CronJob]


class CronStatus(NativeStruct, kw_only=True):
    enabled: bool
    store_path: str
    jobs: int
    next_wake_at_ms: int | None = None


class CronEntry(NativeStruct, kw_only=True):
    ts: int
    job_id: str
    action: str


class CronEntries(NativeStruct):
    entries: list[CronEntry]


class CronEvent(NativeStruct, kw_only=True):
    job_id: str
    action: str


class Done(NativeStruct, kw_only=True):
    """Whether it was done; what else is said is not looked at."""

    ok: bool
