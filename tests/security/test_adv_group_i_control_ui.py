"""Advisories of group I (and A20) that concern the page we serve: nothing said becomes script."""

from __future__ import annotations

import re

import pytest

from carapace.server.control_ui_page import PageFacts, content_security_policy, page

HTML = "<html><head></head><body></body></html>"
ATTACKS = [
    "</script><script>alert(1)</script>",
    '";alert(1);//',
    "'-alert(1)-'",
    '\\";alert(1)//',
    "<!--<script>",
    "]]><svg onload=alert(1)>",
    "\u2028alert(1)//",
    "&quot;;alert(1)",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_adv_i01_a_name_stays_a_text(attack):
    shown = page(HTML, PageFacts("", attack, attack), "n")
    script = re.fullmatch(
        r'<html><head><script nonce="n">(.*)</script></head><body></body></html>', shown, re.DOTALL
    )
    assert script is not None
    assert "<" not in script[1]
    literals = re.sub(r'"(?:[^"\\]|\\.)*"', '""', script[1])
    assert re.fullmatch(r'(window\.__[A-Z_]+="";){6}', literals)


def test_adv_i01_no_inline_script_runs_without_the_nonce():
    rules = dict(rule.strip().split(" ", 1) for rule in content_security_policy("n").split(";"))
    assert "unsafe-inline" not in rules["script-src"]
    assert "unsafe-eval" not in rules["script-src"]


def test_adv_a20_the_page_opens_no_socket_to_elsewhere():
    assert "connect-src 'self';" in content_security_policy("n")
