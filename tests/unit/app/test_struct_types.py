"""Threads that use a structure for the first time at once do no harm."""

from __future__ import annotations

import subprocess
import sys

import pytest

from carapace.app.gateway import Gateway
from carapace.app.struct_types import prepare

# Each round is a structure that nobody has used; without `prepare` one of the first ten ends it.
_ROUNDS = """
import sys, threading, types
import msgspec
from carapace.app.struct_types import prepare

SOURCE = '''
from __future__ import annotations
from typing import Annotated
import msgspec

class Inner(msgspec.Struct, forbid_unknown_fields=True):
    a: Annotated[str, msgspec.Meta(min_length=1)]
    b: tuple[str, ...] = ()

class Outer(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    inner: Inner
    more: dict[str, Inner] = {}
    names: tuple[str, ...] = ()
'''
code = compile(SOURCE, "made", "exec")
sys.setswitchinterval(1e-6)
for number in range(300):
    module = types.ModuleType(f"made_{number}")
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)
    prepare()
    barrier = threading.Barrier(4)

    def use(outer=module.Outer):
        barrier.wait()
        msgspec.convert({"id": "1", "inner": {"a": "x"}, "more": {"q": {"a": "y"}}}, outer)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del sys.modules[module.__name__]
print("alive")
"""


@pytest.mark.slow
def test_four_threads_may_be_the_first_to_use_a_structure():
    done = subprocess.run(
        [sys.executable, "-c", _ROUNDS], capture_output=True, text=True, check=False, timeout=90
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-2000:]


def test_all_structures_of_the_house_can_be_looked_at():
    assert Gateway  # its module brings them
    assert prepare() > 200
