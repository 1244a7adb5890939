"""Only pictures go through, judged by their bytes."""

from __future__ import annotations

import base64

import pytest

from carapace.errors import Refused
from carapace.methods.attachments import images_of, sniff
from carapace.protocol.agent import Attachment

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8


def attached(data: bytes, **more: str) -> Attachment:
    return Attachment(content=base64.b64encode(data).decode(), **more)


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF1234WEBPVP8 ", "image/webp"),
        (b"RIFF1234WAVEfmt ", None),
        (b"%PDF-1.7", None),
    ],
)
def test_a_type_is_read_from_the_first_bytes(head: bytes, mime_type: str | None):
    assert sniff(head) == mime_type


def test_the_bytes_win_over_what_the_client_says():
    (image,) = images_of([attached(PNG, mime_type="text/html", file_name="a.html")], 5)
    assert (image.mime_type, base64.b64decode(image.data)) == ("image/png", PNG)


def test_a_data_url_is_taken_without_its_head():
    text = "data:image/png;base64," + base64.b64encode(PNG).decode()
    (image,) = images_of([Attachment(content=text)], 5)
    assert base64.b64decode(image.data) == PNG


def test_nothing_attached_is_nothing():
    assert images_of([], 5) == ()


@pytest.mark.parametrize(
    ("attachment", "text"),
    [
        (Attachment(content="not base64!", file_name="x.png"), "x.png: invalid base64"),
        (Attachment(content="é"), "attachment-1: invalid base64"),
        (Attachment(type="image"), "attachment image: it is empty"),
        (attached(b"hello", file_name="a.txt"), "a.txt: only PNG"),
        (attached(PNG + b"0" * 1_000), "exceeds size limit"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(attachment: Attachment, text: str):
    with pytest.raises(Refused, match=text):
        images_of([attachment], 0.001)


def test_so_many_pictures_and_no_more():
    assert len(images_of([attached(PNG)] * 8, 5)) == 8
    with pytest.raises(Refused, match="at most 8"):
        images_of([attached(PNG)] * 9, 5)
