"""What others satisfy, checked by the types of real ones."""

from __future__ import annotations

from carapace.agent.understanding.ports import MediaBytes, NotUnderstood, Pictures, Transcriber
from carapace.agent.understanding.transcribe import LocalTranscriber, OpenAiTranscriber
from carapace.media.images import Images
from carapace.media.store import MediaStore


def test_a_reason_carries_its_outcome_for_the_metric():
    assert NotUnderstood("is broken").outcome == "failed"
    assert NotUnderstood("is late", outcome="timeout").outcome == "timeout"
    assert str(NotUnderstood("is broken")) == "is broken"


def test_store_images_and_transcribers_fit_the_ports():
    def fits(
        media: type[MediaBytes], pictures: type[Pictures], *transcribers: type[Transcriber]
    ) -> int:
        return 2 + len(transcribers)

    assert fits(MediaStore, Images, LocalTranscriber, OpenAiTranscriber) == 4
