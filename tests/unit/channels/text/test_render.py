from __future__ import annotations

import pytest

from carapace.channels.text.render import (
    Renderer,
    RenderSettings,
    render,
    render_settings,
    spoken,
)
from carapace.channels.types import ChannelInfo, LengthUnit, Target
from carapace.config.settings.channels import (
    AccountSettings,
    ChannelDefaults,
    ChannelsSettings,
    MarkdownSettings,
    WebhookAccount,
    WebhookSettings,
)
from carapace.config.settings.messages import MessagesSettings
from carapace.config.settings.root import Settings

INFO = ChannelInfo(id="x", label="X", max_text=40)
PLAIN = ChannelInfo(id="x", label="X", markdown=False)
TABLE = "a | b\n--|--\n1 | 2"
DEFAULT = RenderSettings()


def test_a_short_answer_is_one_message_as_it_is():
    assert render("*hello*", INFO, DEFAULT) == ["*hello*"]


@pytest.mark.parametrize("text", ["", " \n", "NO_REPLY", "  NO_REPLY\n", "NO_REPLY\n\nNO_REPLY"])
def test_nothing_said_gives_no_message(text):
    assert render(text, INFO, RenderSettings(response_prefix="bot:")) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Done.\nNO_REPLY", "Done."),
        ("NO_REPLY\n\n  Done.", "  Done."),
        ("The token is NO_REPLY", "The token is NO_REPLY"),
        ("NO_REPLY is the token", "NO_REPLY is the token"),
        ("\nkept as it is ", "\nkept as it is "),
        ("no_reply", "no_reply"),
    ],
)
def test_the_silent_token_counts_on_a_line_of_its_own_at_an_end(text, words):
    assert spoken(text) == words


def test_the_prefix_stands_before_the_first_message_only():
    texts = render("word " * 12, INFO, RenderSettings(response_prefix="[bot]"))
    assert texts[0].startswith("[bot] word")
    assert len(texts) == 2
    assert not texts[1].startswith("[bot]")


def test_a_prefix_that_is_there_is_not_put_twice():
    assert render("[bot] hi", INFO, RenderSettings(response_prefix="[bot]")) == ["[bot] hi"]


def test_no_message_is_longer_than_the_channel_takes_whatever_the_settings_say():
    texts = render("w" * 100, INFO, RenderSettings(limit=1000))
    assert [len(text) for text in texts] == [40, 40, 20]
    assert [len(text) for text in render("w" * 30, INFO, RenderSettings(limit=20))] == [20, 10]


def test_a_limit_of_one_still_holds_every_character():
    assert render("abcdefgh", INFO, RenderSettings(limit=1)) == ["abcd", "efgh"]


def test_length_is_counted_in_the_channels_unit():
    info = ChannelInfo(id="x", label="X", max_text=6, unit=LengthUnit.UTF16)
    assert render("🙂🙂🙂🙂", info, DEFAULT) == ["🙂🙂🙂", "🙂"]


@pytest.mark.parametrize(
    ("info", "start"),
    [
        (ChannelInfo(id="x", label="X", tables=True), "a | b"),
        (ChannelInfo(id="x", label="X"), "```\na | b"),
        (PLAIN, "- 1\n  - b: 2"),
    ],
    ids=["shows tables", "shows markdown", "shows text"],
)
def test_tables_become_what_suits_the_channel(info, start):
    assert render(TABLE, info, DEFAULT)[0].startswith(start)


def test_the_operator_says_what_becomes_of_tables():
    info = ChannelInfo(id="x", label="X")
    assert render(TABLE, info, RenderSettings(tables="off")) == [TABLE]
    assert render(TABLE, info, RenderSettings(tables="bullets")) == ["- **1**\n  - b: 2"]


def test_markdown_becomes_plain_words_where_it_is_not_shown():
    assert render("**hi** [a](https://a.example)", PLAIN, DEFAULT) == ["hi a (https://a.example)"]


def test_settings_of_an_account():
    account = AccountSettings(
        text_chunk_limit=9,
        chunk_mode="newline",
        markdown=MarkdownSettings(tables="bullets"),
        response_prefix="",
    )
    assert render_settings(account, "all:") == RenderSettings(
        limit=9, mode="newline", tables="bullets", response_prefix=""
    )
    assert render_settings(AccountSettings(), "all:") == RenderSettings(response_prefix="all:")
    assert render_settings(None, "all:") == RenderSettings(response_prefix="all:")


def test_a_target_is_rendered_with_its_accounts_settings_of_the_moment():
    info = ChannelInfo(id="webhook", label="Webhook", max_text=100)
    current = [
        Settings(
            channels=ChannelsSettings(
                defaults=ChannelDefaults(chunk_mode="newline"),
                webhook=WebhookSettings(accounts={"a": WebhookAccount(text_chunk_limit=4)}),
            ),
            messages=MessagesSettings(response_prefix=">"),
        )
    ]
    renderer = Renderer(lambda channel: info if channel == "webhook" else None, lambda: current[0])
    target = Target(channel="webhook", account="a", conversation="c")
    assert renderer("ab\n\ncd", target) == ["> ab", "cd"]
    current[0] = Settings()
    assert renderer("ab\n\ncd", target) == ["ab\n\ncd"]


def test_a_channel_that_is_not_there_is_taken_for_a_common_one():
    renderer = Renderer(lambda channel: None, Settings)
    assert renderer("hi", Target(channel="gone", account="a", conversation="c")) == ["hi"]
