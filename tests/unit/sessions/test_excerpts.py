"""Excerpts, previews and titles."""

from __future__ import annotations

from typing import Any

from carapace.sessions.excerpts import (
    excerpt_of,
    fallback_title,
    shorten,
    title_from,
    without_message_id,
)
from carapace.sessions.types import StoredMessage


def said(*parts: dict[str, Any]) -> StoredMessage:
    return StoredMessage("m", "assistant", parts, 0)


def test_an_excerpt_is_the_beginning_of_the_text():
    assert excerpt_of(said({"type": "text", "text": "  " + "x" * 3000})) == "x" * 2000


def test_a_message_that_only_calls_tools_names_them():
    calls = ({"type": "toolCall", "name": "exec"}, {"type": "toolCall", "name": "read"})
    assert excerpt_of(said({"type": "thinking", "thinking": "hm"}, *calls)) == "call exec, read"
    assert excerpt_of(said({"type": "image"})) == ""
    assert excerpt_of(said()) == ""


def test_the_line_for_the_models_eyes_is_left_out():
    assert without_message_id("[[hang]] wait\n[message_id: golden-abort-6b]") == "[[hang]] wait"
    assert without_message_id("a\n [message_id: 1] \nb") == "a\nb"
    assert without_message_id("about [message_id: 1] inline") == "about [message_id: 1] inline"
    assert without_message_id("plain  ") == "plain  "


def test_shortening_is_as_clients_know_it():
    text = "I didn't receive any text in your message. Please resend or add a caption."
    assert shorten(text, 60) == "I didn't receive any text in your message. Please resend ..."
    assert shorten("short", 20) == "short"


def test_a_title_is_one_line_cut_between_words():
    assert title_from("hello\n  from   voice\n[message_id: 1]") == "hello from voice"
    title = title_from("plan the trip to the mountains with everybody who wants to come along")
    assert title == "plan the trip to the mountains with everybody who wants to…"
    assert title_from("x" * 80) == "x" * 59 + "…"
    assert title_from("[message_id: 1]") == ""


def test_a_silent_session_is_named_by_id_and_day():
    assert fallback_title("c69a08f8-d184", 1795370455954) == "c69a08f8 (2026-11-22)"
