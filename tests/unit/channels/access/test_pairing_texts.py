from __future__ import annotations

from carapace.channels.access.pairing_texts import (
    APPROVED,
    asked_text,
    let_in_text,
    rejected_text,
    usage_text,
)


def test_a_stranger_learns_what_happened_and_what_to_do():
    text = asked_text("webhook", "default", "alice", "ABCD2345")
    assert "alice" in text
    assert "cara pairing approve webhook ABCD2345" in text
    assert "not read" in text


def test_the_command_names_the_account_if_there_are_several():
    text = asked_text("webhook", "two", "alice", "ABCD2345")
    assert "cara pairing approve webhook --account two ABCD2345" in text


def test_who_was_let_in_knows_that_the_message_was_not_kept():
    assert "again" in APPROVED


def test_the_owner_reads_whom_it_was_about():
    assert "alice" in let_in_text("webhook", "alice")
    assert "alice" in rejected_text("webhook", "alice")


def test_the_usage_names_the_verb():
    assert "/reject CODE" in usage_text("reject")
