"""The process that reads one file or page: `python -m carapace.agent.understanding.worker`.

What it reads was made by strangers. It is apart from the gateway so that a document that costs
endless time or memory, or crashes native code, costs one message its text and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from carapace.agent.understanding.page_text import PageText, decode_page
from carapace.agent.understanding.pdf_text import read_pdf
from carapace.agent.understanding.speech_text import read_speech
from carapace.agent.understanding.wire import Job, Reading, Unreadable, encode
from carapace.confine import confine

__all__ = ["MAX_MEMORY_BYTES", "main", "read"]

_MEBIBYTE: Final = 1024 * 1024
MAX_MEMORY_BYTES: Final[Mapping[str, int]] = {
    "pdf": 768 * _MEBIBYTE,
    "html": 512 * _MEBIBYTE,
    # Engines reserve address space for each thread and map their models.
    "speech": 4_096 * _MEBIBYTE,
}
_MAX_CPU_S: Final = 120


def _read_html(data: bytes, job: Job) -> Reading | Unreadable:
    page = PageText(job.max_chars)
    page.feed(decode_page(data, job.charset))
    page.close()
    return Reading(page.text, title=page.title, is_cut=page.is_cut)


_READERS: Final[Mapping[str, Callable[[bytes, Job], Reading | Unreadable]]] = {
    "pdf": read_pdf,
    "html": _read_html,
    "speech": read_speech,
}


def read(data: bytes, job: Job) -> Reading | Unreadable:
    """What `data` says, with nothing that cannot be written as UTF-8."""
    try:
        answer = _READERS[job.kind](data, job)
    except MemoryError:
        return Unreadable("takes more memory than it may")
    if isinstance(answer, Reading):
        text = answer.text.encode(errors="replace").decode()
        title = answer.title.encode(errors="replace").decode()
        return msgspec.structs.replace(answer, text=text[: job.max_chars], title=title)
    return answer


def main() -> None:
    """Confine the process, read the job, write the answer."""
    job = msgspec.json.decode(sys.argv[1], type=Job)
    confine(
        parent_pid=int(sys.argv[2]),
        max_memory_bytes=MAX_MEMORY_BYTES[job.kind],
        max_cpu_s=_MAX_CPU_S,
    )
    # Native code prints to standard output as it likes; our pipe must not be that.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answer = read(sys.stdin.buffer.read(), job)
    out.write(encode(answer))
    out.close()


if __name__ == "__main__":
    main()
