"""A webhook kernel with a real replay memory, and requests to put into it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from carapace.clock import Clock
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from carapace.triggers.bounded_json import json_object
from carapace.triggers.replay import ReplayMemory
from carapace.triggers.signatures import sign_timestamped, timestamped_signature
from carapace.triggers.webhook_types import (
    RawRequest,
    RequestHead,
    Step,
    TooLong,
    VerifiedRequest,
    WebhookAnswer,
    WebhookRoute,
    plain,
)
from carapace.triggers.webhooks import KernelLimits, WebhookKernel
from support.clock import FakeClock
from support.database import memory_database

__all__ = ["SECRET", "KernelRig", "head", "kernel_rig", "raw", "route", "sign"]

SECRET = "a-secret-of-the-sender-0123456789"


def head(path: str = "/in", **more: Any) -> RequestHead:
    values: dict[str, Any] = {
        "method": "POST",
        "query": "",
        "headers": {},
        "client_ip": "192.0.2.1",
        **more,
    }
    headers = {
        name.lower(): (value,) if isinstance(value, str) else tuple(value)
        for name, value in values.pop("headers").items()
    }
    return RequestHead(path=path, headers=headers, **values)


def raw(body: bytes = b"{}", *, at_ms: int = 1_767_225_600_000, **more: Any) -> RawRequest:
    """A request as a check of its signature sees it."""
    one = head(**more)
    values = {name: getattr(one, name) for name in RequestHead.__slots__}
    return RawRequest(body=body, received_at_ms=at_ms, **values)


def sign(body: bytes, clock: Clock, secret: str = SECRET) -> dict[str, str]:
    return {"X-Carapace-Signature": sign_timestamped(secret, body, clock.now_ms() // 1000)}


async def answer_ok(request: VerifiedRequest) -> WebhookAnswer:
    request.enter(Step.AUTHORISE)
    request.enter(Step.PERSIST)
    return plain(200, "ok")


def route(path: str = "/in", **more: Any) -> WebhookRoute:
    values: dict[str, Any] = {
        "owner": "test",
        "verify": timestamped_signature(SECRET),
        "handle": answer_ok,
        "parse": json_object,
        **more,
    }
    return WebhookRoute(path=path, **values)


@dataclass
class KernelRig:
    """The kernel and everything a test may want to look at."""

    kernel: WebhookKernel
    clock: FakeClock
    database: Database
    metrics: Metrics
    audit_file: Path
    steps: list[Step] = field(default_factory=list[Step])

    async def send(self, path: str = "/in", body: bytes = b"{}", **more: Any) -> WebhookAnswer:
        """One request, its body at once."""
        length = more.pop("content_length", len(body))
        return await self.kernel.handle(head(path, content_length=length, **more), reader(body))

    async def signed(self, body: bytes = b"{}", path: str = "/in", **more: Any) -> WebhookAnswer:
        """One with a right signature, from this moment."""
        secret = more.pop("secret", SECRET)
        return await self.send(path, body, headers=sign(body, self.clock, secret), **more)

    def audited(self, kind: str) -> list[dict[str, Any]]:
        if not self.audit_file.exists():
            return []
        lines = map(msgspec.json.decode, self.audit_file.read_bytes().splitlines())
        return [line for line in lines if line["kind"] == kind]

    def counted(self, owner: str, step: Step) -> float:
        return self.metrics.webhook_requests.labels(owner, step.value)._value.get()


def reader(body: bytes) -> Callable[[int], Any]:
    """The body, cut off as the server does it."""

    async def read(max_bytes: int) -> bytes:
        await asyncio.sleep(0)
        if len(body) > max_bytes:
            raise TooLong("too long")
        return body

    return read


@asynccontextmanager
async def kernel_rig(
    *routes: WebhookRoute, limits: KernelLimits | None = None, database: Database | None = None
) -> AsyncGenerator[KernelRig]:
    """A kernel with `routes`; on a database of its own unless one is given."""
    if database is None:
        async with (
            memory_database() as own,
            kernel_rig(*routes, limits=limits, database=own) as rig,
        ):
            yield rig
        return
    clock = FakeClock()
    metrics = Metrics("0", with_process=False)
    steps: list[Step] = []
    with tempfile.TemporaryDirectory(prefix="carapace-hooks-") as folder:
        audit = Audit(Path(folder), clock=clock, redactor=Redactor())
        kernel = WebhookKernel(
            ReplayMemory(database, clock),
            clock=clock,
            audit=audit,
            metrics=metrics,
            limits=limits,
            observe=steps.append,
        )
        for one in routes:
            kernel.mount(one)
        yield KernelRig(kernel, clock, database, metrics, Path(folder) / "audit.jsonl", steps)
        audit.close()
