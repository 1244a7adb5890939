"""The page is told its settings by one script that only its nonce lets run."""

from __future__ import annotations

import pytest

from carapace.server.control_ui_page import PageFacts, clean_base, content_security_policy, page

HTML = "<html><head><title>x</title></head><body></body></html>"


def test_settings_stand_before_the_end_of_the_head_under_all_names():
    shown = page(HTML, PageFacts("/ui", "Ada", "A"), "n0")
    head, _, rest = shown.partition("</head>")
    assert rest == "<body></body></html>"
    assert head.startswith('<html><head><title>x</title><script nonce="n0">')
    for name in ("CLAWDBOT", "OPENCLAW"):
        assert f'window.__{name}_CONTROL_UI_BASE_PATH__="/ui";' in head
        assert f'window.__{name}_ASSISTANT_NAME__="Ada";' in head
        assert f'window.__{name}_ASSISTANT_AVATAR__="A";' in head


def test_a_name_cannot_end_the_script():
    shown = page(HTML, PageFacts("", "</script><script>x()//\u2028", "&"), "n0")
    assert shown.count("</script>") == 1
    assert "\\u003c/script\\u003e" in shown
    assert "\u2028" not in shown


def test_a_page_without_a_head_is_told_as_well():
    assert page("<p>", PageFacts("", "", ""), "n").startswith('<script nonce="n">')


@pytest.mark.parametrize(
    ("given", "base"),
    [("", ""), ("/", ""), ("ui", "/ui"), ("/ui/", "/ui"), (" //a//../b/. ", "/a/b")],
)
def test_a_base_path_is_written_in_one_way(given, base):
    assert clean_base(given) == base


def test_the_policy_lets_nothing_in_from_elsewhere():
    policy = content_security_policy("n0")
    assert "script-src 'self' 'nonce-n0';" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "http" not in policy
    for rule in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert rule in policy
