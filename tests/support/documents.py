"""Small documents made here: PDF, WAV, WebP and the like."""

from __future__ import annotations

import io
import math
import wave
from array import array

__all__ = ["pdf", "png", "wav"]


def pdf(*pages: str) -> bytes:
    """A PDF with one line of text on each page, by hand (ISO 32000-1 section 7.5)."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Count {} /Kids [{}] >>".format(
            len(pages), " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * at} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    for place in places:
        out += f"{place:010d} 00000 n \n".encode()
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n".encode()
    return bytes(out + f"startxref\n{start}\n%%EOF\n".encode())


def png() -> bytes:
    """One pixel; not decoded by those who get it."""
    return b"\x89PNG\r\n\x1a\n" + bytes(40)


def wav(*, seconds: float = 0.1, rate_hz: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    """A tone."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        n_samples = round(seconds * rate_hz)
        if width == 2:
            tone = [
                round(8_000 * math.sin(at * 0.05)) + channel
                for at in range(n_samples)
                for channel in range(channels)
            ]
            file.writeframes(array("h", tone).tobytes())
        else:
            file.writeframes(bytes(n_samples * channels * width))
    return out.getvalue()
