from __future__ import annotations

import base64

import pytest

from carapace.errors import Refused
from carapace.methods.attachments import MAX_IMAGE_BYTES, images_of, sniff
from carapace.protocol.agent import Attachment

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20


def image(data: bytes, name: str | None = "x.png", head: str = "") -> Attachment:
    text = head + base64.b64encode(data).decode()
    return Attachment(type="image", mime_type="text/html", file_name=name, content=text)


def test_the_type_comes_from_the_bytes_not_from_the_client() -> None:
    (found,) = images_of([image(PNG)])
    assert found.mime_type == "image/png"
    assert base64.b64decode(found.data) == PNG


def test_a_data_url_head_is_taken_off() -> None:
    (found,) = images_of([image(PNG, head="data:image/jpeg;base64,")])
    assert base64.b64decode(found.data) == PNG


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a..", "image/gif"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF0000WEBPVP8 ", "image/webp"),
        (b"RIFF0000WAVE", None),
        (b"<svg/>", None),
        (b"", None),
    ],
)
def test_pictures_are_known_by_their_first_bytes(data: bytes, mime_type: str | None) -> None:
    assert sniff(data) == mime_type


def test_broken_base64_is_refused_in_the_words_clients_know() -> None:
    broken = Attachment(type="image", file_name="x.png", content="!!notbase64")
    with pytest.raises(Refused, match=r"^Error: attachment x\.png: invalid base64 content$"):
        images_of([broken])


def test_an_attachment_without_a_name_is_named_by_type_or_number() -> None:
    with pytest.raises(Refused, match="attachment image: only PNG"):
        images_of([image(b"text", name=None)])
    with pytest.raises(Refused, match="attachment attachment-1: it is empty"):
        images_of([Attachment()])


def test_a_picture_over_the_limit_is_refused_with_its_size() -> None:
    big = PNG + b"x" * MAX_IMAGE_BYTES
    with pytest.raises(Refused, match=f"exceeds size limit \\({len(big)} > "):
        images_of([image(big)])


def test_too_many_attachments_are_refused_before_any_is_read() -> None:
    with pytest.raises(Refused, match="too many attachments"):
        images_of([Attachment(content="!!")] * 9)
