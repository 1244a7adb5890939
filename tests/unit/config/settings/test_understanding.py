from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.root import Settings
from carapace.config.settings.understanding import (
    AudioReading,
    DocumentReading,
    ImageReading,
    LinkReading,
    MediaReading,
    ReadingModel,
)


def test_reading_is_on_and_bounded_by_default():
    media, links = MediaReading(), LinkReading()
    assert media.image.enabled
    assert media.audio.enabled
    assert media.document.enabled
    assert (links.enabled, links.max_links) == (True, 3)
    assert media.document.max_pages == 30
    assert (links.summary_above_chars, media.document.summary_above_chars) == (2_000, 20_000)
    assert links.model is None


def test_summaries_have_a_threshold_or_are_off():
    text = (
        '{"tools": {"links": {"summaryAboveChars": "off", "model": "openai/gpt-5-mini",'
        ' "summaryTimeoutSeconds": 9},'
        ' "media": {"document": {"summaryAboveChars": 0}}}}'
    )
    tools = msgspec.json.decode(text, type=Settings).tools
    assert (tools.links.summary_above_chars, tools.links.model) == ("off", "openai/gpt-5-mini")
    assert tools.links.summary_timeout_seconds == 9
    assert tools.media.document.summary_above_chars == 0


def test_the_node_gateways_keys_are_taken():
    text = (
        '{"tools": {"media": {"audio": {"enabled": true, "maxBytes": 1024, "maxChars": 500,'
        ' "timeoutSeconds": 9, "language": "en",'
        ' "models": [{"provider": "openai", "model": "whisper-1"}, {"type": "cli"}]}},'
        ' "links": {"enabled": false, "maxLinks": 2, "timeoutSeconds": 5}}}'
    )
    tools = msgspec.json.decode(text, type=Settings).tools
    assert tools.media.audio.models[0] == ReadingModel("openai", "whisper-1")
    assert tools.media.audio.models[1].provider is None
    assert (tools.links.enabled, tools.links.max_links) == (False, 2)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        (LinkReading, '{"maxLinks": 0}'),
        (LinkReading, '{"maxLinks": 11}'),
        (LinkReading, '{"summaryAboveChars": -1}'),
        (LinkReading, '{"summaryAboveChars": "on"}'),
        (LinkReading, '{"summaryAboveChars": null}'),
        (DocumentReading, '{"summaryTimeoutSeconds": 0}'),
        (AudioReading, '{"maxBytes": 0}'),
        (AudioReading, '{"timeoutSeconds": 601}'),
        (ImageReading, '{"maxChars": 99}'),
    ],
)
def test_bounds_hold(section: type, text: str):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=section)
