from __future__ import annotations

import hashlib

from carapace.agent.weights.library import Library, is_gguf
from carapace.agent.weights.manifest import SMALL


def adopt(library, data, name):
    library.folder.mkdir(exist_ok=True)
    fresh = library.folder / "fresh"
    fresh.write_bytes(data)
    return library.adopt(fresh, hashlib.sha256(data).hexdigest(), name=name, source="here")


def test_an_empty_folder_has_nothing(tmp_path):
    assert Library(tmp_path / "none").installed() == []
    assert Library(tmp_path / "none").find("starter") is None


def test_models_are_found_by_name_hash_and_short_hash(tmp_path):
    library = Library(tmp_path / "models")
    mine = adopt(library, b"GGUF1", "mine")
    other = adopt(library, b"GGUF2", "other")
    assert library.installed() == [mine, other]
    for name in ("mine", mine.sha256, mine.sha256[:8]):
        assert library.find(name) == mine
    assert library.find(mine.sha256[:7]) is None


def test_a_file_of_ours_that_is_not_whole_does_not_count(tmp_path):
    library = Library(tmp_path)
    library.path_of(SMALL.sha256).write_bytes(b"GGUF")
    (tmp_path / "notes.gguf").write_bytes(b"GGUF")
    assert library.installed() == []


def test_a_file_of_ours_has_its_name_without_a_label(tmp_path):
    library = Library(tmp_path)
    with library.path_of(SMALL.sha256).open("wb") as file:
        file.truncate(SMALL.size_bytes)
    (model,) = library.installed()
    assert (model.name, model.weights) == ("small", SMALL)


def test_a_lost_label_leaves_the_hash_as_name(tmp_path):
    library = Library(tmp_path / "models")
    mine = adopt(library, b"GGUF1", "mine")
    mine.path.with_suffix(".json").unlink()
    assert library.installed()[0].name == mine.sha256[:12]


def test_model_files_are_known_by_their_first_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"GGUF...")
    (tmp_path / "b").write_bytes(b"GG")
    assert is_gguf(tmp_path / "a")
    assert not is_gguf(tmp_path / "b")
