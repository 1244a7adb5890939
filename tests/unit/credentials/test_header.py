"""A ciphertext is bound to its vault and its name."""

from __future__ import annotations

from carapace.credentials.header import KeyInfo, associated


def test_every_part_of_the_head_and_the_name_matters():
    heads = [
        KeyInfo(source="file", id="a"),
        KeyInfo(source="file", id="b"),
        KeyInfo(source="keyring", id="a"),
        KeyInfo(source="passphrase", id="a", salt="s", memory_kib=8, iterations=1, lanes=1),
        KeyInfo(source="passphrase", id="a", salt="s", memory_kib=9, iterations=1, lanes=1),
    ]
    bound = {associated(head, name) for head in heads for name in ("x", "y")}
    assert len(bound) == 10
