from __future__ import annotations

from carapace.channels.access import refusals
from carapace.channels.access.refusals import Refusals
from support.chat_people import said

MINUTE = 60_000


def test_a_sender_has_one_line_a_minute():
    machine = Refusals()
    assert machine.tell(said(), now_ms=0) == 0
    assert machine.tell(said(), now_ms=1) is None
    assert machine.tell(said(), now_ms=MINUTE - 1) is None
    assert machine.tell(said(), now_ms=MINUTE) == 2
    assert machine.tell(said(), now_ms=MINUTE + 1) is None


def test_accounts_are_told_apart():
    machine = Refusals()
    assert machine.tell(said(), now_ms=0) == 0
    assert machine.tell(said(account="two"), now_ms=0) == 0
    assert machine.tell(said(channel="telegram"), now_ms=0) == 0


def test_many_senders_have_a_bounded_number_of_lines():
    machine = Refusals()
    told = [machine.tell(said(sender=f"s{number}"), now_ms=0) for number in range(100)]
    assert told.count(0) == refusals._MAX_EACH_MINUTE
    assert machine.tell(said(sender="late"), now_ms=MINUTE) == 40


def test_the_memory_is_bounded():
    machine = Refusals()
    for number in range(refusals._MAX_SENDERS + 10):
        machine.tell(said(sender=f"s{number}"), now_ms=number * MINUTE)
    assert len(machine._senders) == refusals._MAX_SENDERS
