from __future__ import annotations

from carapace.plugins.guest import MAX_SAID_CHARS, said
from carapace.plugins.ports import HostState, RunPhase
from support.scripted_host import ScriptedHost, guest_of


async def test_a_call_goes_to_its_own_plugin():
    host = ScriptedHost({"tool.invoke": lambda name, parameters: name + parameters})
    assert await guest_of(host, "a").call("tool", "invoke", "x", "{}", timeout_s=2.0) == "x{}"
    (call,) = host.calls
    assert (call.plugin_id, call.timeout_s, call.instance) == ("a", 2.0, "fresh")


def test_it_knows_which_process_it_is_in_and_shows_its_name():
    host = ScriptedHost()
    guest = guest_of(host, "a")
    assert guest.generation == 1
    host.lose("a")
    assert guest.generation == 2
    assert "a" in repr(guest)


def test_one_that_runs_or_sleeps_has_no_trouble():
    host = ScriptedHost()
    guest = guest_of(host, "a")
    assert guest.trouble() is None
    host.states["a"] = HostState(phase=RunPhase.IDLE)
    assert guest.trouble() is None


def test_one_that_rests_says_why():
    host = ScriptedHost()
    guest = guest_of(host, "a")
    host.states["a"] = HostState(phase=RunPhase.QUARANTINED, reason="it crashed\n5 times")
    assert guest.trouble() == "it crashed 5 times"
    host.states["a"] = HostState(phase=RunPhase.QUARANTINED)
    assert guest.trouble() == "the plugin a is quarantined"


def test_words_of_a_guest_are_one_line_of_bounded_length():
    assert said(" a\r\n\x1b[31mb\u2028c ") == "a [31mb c"
    assert len(said("x" * 10_000)) == MAX_SAID_CHARS
    assert said("\n\t") == ""
