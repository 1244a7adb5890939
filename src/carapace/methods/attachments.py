"""Attachments of a message: base64 text that a client sent, checked and named.

Only pictures reach a model today; any other file is refused by name, so that nobody believes
it was read. A picture's type is taken from its bytes, never from what the client says.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from carapace.agent.providers.ports import ImagePart
from carapace.errors import Refused
from carapace.protocol.agent import Attachment

__all__ = ["images_of"]

_MAX_ATTACHMENTS: Final = 8
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def images_of(attachments: Sequence[Attachment], max_mb: float) -> tuple[ImagePart, ...]:
    """The pictures of a message, each of at most `max_mb` million bytes.

    Raises:
        Refused: For the first attachment that is no base64, too large, or no picture.
    """
    if len(attachments) > _MAX_ATTACHMENTS:
        raise Refused(f"Error: too many attachments: at most {_MAX_ATTACHMENTS} in one message")
    most = round(max_mb * 1_000_000)
    return tuple(_image(one, f"attachment-{n}", most) for n, one in enumerate(attachments, 1))


def _image(attachment: Attachment, fallback_name: str, max_bytes: int) -> ImagePart:
    name = (attachment.file_name or attachment.type or fallback_name)[:100]
    text = attachment.content or ""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"Error: attachment {name}: invalid base64 content") from None
    if not data:
        raise Refused(f"Error: attachment {name}: it is empty; send the file's content as base64")
    if len(data) > max_bytes:
        raise Refused(
            f"Error: attachment {name}: exceeds size limit ({len(data)} > {max_bytes} bytes)"
        )
    mime_type = sniff(data)
    if mime_type is None:
        raise Refused(
            f"Error: attachment {name}: only PNG, JPEG, GIF and WebP images can be sent; "
            "put other text into the message itself"
        )
    return ImagePart(mime_type=mime_type, data=base64.b64encode(data).decode())


def sniff(data: bytes) -> str | None:
    """The MIME type of a picture by its first bytes, or None."""
    for signature, mime_type in _SIGNATURES:
        if data.startswith(signature):
            return mime_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None
