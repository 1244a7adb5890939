"""What every worker of the embedded model does: the scripted one, and the real engine.

The real one needs weights; `support.local_models` says where they are looked for.
"""

from __future__ import annotations

import contextlib

import pytest

from carapace.agent.providers.local_process import COMMAND, WorkerFault, WorkerProcess
from carapace.agent.providers.local_tools import read_route, route_messages, route_schema
from carapace.agent.providers.local_wire import ChatMessage, Delta, Done, Generate, Start
from carapace.agent.providers.ports import ToolSpec
from carapace.tasks import Tasks
from support.local_models import smallest_model
from support.local_worker import COMMAND as SCRIPTED

pytestmark = pytest.mark.slow
CLOCK = ToolSpec(
    "current_time",
    "The current date and time.",
    {"type": "object", "properties": {"timezone": {"type": "string"}}},
)


@pytest.fixture(params=["scripted", pytest.param("real", marks=pytest.mark.model)])
async def worker(request, tmp_path):
    if request.param == "real":
        pytest.importorskip("xllamacpp")
        path, command = smallest_model(), COMMAND
        if path is None:
            pytest.skip("no weights: set CARAPACE_TEST_MODELS or run cara model pull small")
    else:
        path, command = tmp_path / "m.gguf", SCRIPTED
        path.write_bytes(b"GGUF")
    failed: list[str] = []
    tasks = Tasks("test", lambda name, _error: failed.append(name))
    started = await WorkerProcess.start(
        command, Start(str(path), 512, 1, "chatml"), tasks=tasks, load_timeout_s=60
    )
    yield started
    await started.close()
    await tasks.close()
    assert failed == []
    assert not started.is_alive


async def answer(worker, number, text, *, most=8, schema=None, messages=None):
    messages = messages or (ChatMessage("user", text),)
    request = Generate(number, messages, most, 0.0, 1 if schema else 0, schema)
    stream = worker.generate(request, silence_timeout_s=60)
    async with contextlib.aclosing(stream) as answers:
        return [message async for message in answers]


async def test_an_answer_is_text_then_done_with_usage(worker):
    *deltas, done = await answer(worker, 1, "Say hello.")
    assert all(isinstance(delta, Delta) and delta.text for delta in deltas)
    assert isinstance(done, Done)
    assert done.reason in {"stop", "length"}
    assert done.input_tokens + done.cached_tokens > 0
    assert done.output_tokens > 0


async def test_the_bound_of_tokens_is_kept(worker):
    done = (await answer(worker, 1, "echo: one two three four five six", most=3))[-1]
    assert done.output_tokens <= 3


async def test_a_cancelled_answer_leaves_room_for_the_next(worker):
    request = Generate(1, (ChatMessage("user", "hang"),), 400, 0.0)
    stream = worker.generate(request, silence_timeout_s=60)
    await anext(stream)
    await stream.aclose()
    assert isinstance((await answer(worker, 2, "Say hello."))[-1], Done)


async def test_too_long_a_prompt_is_a_fault_of_context(worker):
    text = "long" if worker.start_message.model_path.endswith("m.gguf") else "word " * 2000
    with pytest.raises(WorkerFault) as caught:
        await answer(worker, 1, text)
    assert caught.value.fault.kind == "context"
    assert isinstance((await answer(worker, 2, "Say hello."))[-1], Done)


async def test_a_schema_is_kept(worker):
    for number, asked in enumerate(("What time is it?", "Tell me a joke."), start=1):
        messages = route_messages((CLOCK,), asked)
        *deltas, _ = await answer(
            worker, number, asked, most=64, schema=route_schema((CLOCK,)), messages=messages
        )
        text = "".join(delta.text for delta in deltas)
        call = read_route(text, (CLOCK,), "c")
        assert text.startswith('{"tool"')
        assert call is None or call.name == "current_time"
