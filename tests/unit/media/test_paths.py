"""A media field names a stored file or an https address, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.errors import Refused
from carapace.media.paths import RemoteFile, StoredFile, resolve

ID = "m-" + "0123456789abcdef" * 2


def test_ids_and_https_addresses_are_media():
    assert resolve(ID) == StoredFile(ID)
    assert resolve("https://x.example/a.png?b#c") == RemoteFile("https://x.example/a.png?b#c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/etc/passwd",
        "etc/passwd",
        "../secret",
        "~/.ssh/id_ed25519",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "file://host/share",
        "file:/etc/passwd",
        "\\\\host\\share\\x",
        "//host/share",
        "C:\\Windows\\win.ini",
        "http://x.example/a.png",
        "data:image/png;base64,AA==",
        "MEDIA:/etc/passwd",
        ID + "/../x",
        ID + "\x00",
        ID + "\n",
        ID.upper(),
        "m-" + "\uff10" * 32,
        f"./{ID}",
        "https://x.example/a\x00b",
        "https:\\\\x.example\\a",
        "https://user@x.example/",
    ],
)
def test_everything_else_is_refused_by_its_form(text: str):
    with pytest.raises(Refused, match=r"is no media: give the id of a stored file"):
        resolve(text)


@given(st.text(max_size=100))
def test_no_text_becomes_a_path(text: str):
    try:
        found = resolve(text)
    except Refused:
        return
    assert isinstance(found, RemoteFile)
    assert found.url.lower().startswith("https://")


def test_what_was_written_is_shown_without_what_could_mislead():
    with pytest.raises(Refused) as caught:
        resolve("\u202eexe.\x00/" + "x" * 500)
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 250
