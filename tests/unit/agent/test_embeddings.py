"""Vectors come from the provider that is named, or from the model that runs here; never another."""

from __future__ import annotations

import pytest

from carapace.agent.embeddings import LOCAL_MODEL, MAX_LOCAL_CHARS, Embeddings
from carapace.agent.memory.ports import EmbedderTrouble, TroubleKind
from carapace.agent.providers.ports import Embedded, EmbedRequest, Embeds
from carapace.agent.providers.spec import ModelSpec
from carapace.errors import Failed, Refused
from support.embedder import WordEmbedder


class Vendor:
    def __init__(self) -> None:
        self.asked: list[EmbedRequest] = []

    async def embed(self, request: EmbedRequest) -> Embedded:
        self.asked.append(request)
        return Embedded("theirs", tuple((1.0, 0.0) for _ in request.texts), 7)


class Models:
    """Knows one provider, `acme`."""

    def __init__(self) -> None:
        self.vendor = Vendor()

    def embeds(self, model_ref: str) -> tuple[Embeds, ModelSpec] | None:
        name, _, model = model_ref.partition("/")
        return (self.vendor, ModelSpec(model, model)) if name == "acme" else None


def house(
    *troubles: EmbedderTrouble, is_on: bool = True
) -> tuple[Embeddings, Models, WordEmbedder]:
    models, local = Models(), WordEmbedder(*troubles)
    return Embeddings(models, local, is_local_on=lambda: is_on), models, local


async def test_a_provider_is_asked_for_its_model_and_answers_under_our_name_for_it():
    embeddings, models, local = house()
    made = await embeddings.embed("acme/embed-1", ["a", "b"], dimensions=2)
    assert models.vendor.asked == [EmbedRequest("embed-1", ("a", "b"), 2)]
    assert (made.model, len(made.vectors), made.tokens) == ("acme/embed-1", 2, 7)
    assert local.asked == []


@pytest.mark.parametrize("name", ["carapace", "openclaw", " Clawdbot"])
async def test_our_own_names_stand_for_the_model_that_runs_here(name):
    embeddings, models, local = house()
    made = await embeddings.embed(name, [f"text {at}" for at in range(20)])
    assert made.model == f"{LOCAL_MODEL}/{local.model}"
    assert [len(batch) for batch in local.asked] == [16, 4]
    assert {len(vector) for vector in made.vectors} == {local.dims}
    assert sum(one * one for one in made.vectors[0]) == pytest.approx(1.0, abs=0.01)
    assert made.tokens > 0
    assert models.vendor.asked == []


@pytest.mark.parametrize("name", ["text-embedding-3-small", "nobody/x", "acme-2/x"])
async def test_another_models_vectors_are_never_given_instead(name):
    embeddings, _, local = house()
    with pytest.raises(Refused, match="provider/model") as caught:
        await embeddings.embed(name, ["a"])
    assert caught.value.code == "NOT_FOUND"
    assert local.asked == []


async def test_without_a_model_here_the_next_step_is_told():
    embeddings, _, local = house(is_on=False)
    with pytest.raises(Refused, match=r"memory\.vectors") as off:
        await embeddings.embed("carapace", ["a"])
    assert local.asked == []
    embeddings, _, _ = house(EmbedderTrouble(TroubleKind.MISSING, "no module"))
    with pytest.raises(Refused, match="pip install") as missing:
        await embeddings.embed("carapace", ["a"])
    assert {off.value.code, missing.value.code} == {"NOT_FOUND"}


async def test_a_model_that_fails_is_our_failure_and_says_when_to_come_back():
    trouble = EmbedderTrouble(TroubleKind.WAITING, "it stopped 3 times", retry_after_s=2.5)
    embeddings, _, _ = house(trouble)
    with pytest.raises(Failed, match="stopped 3 times") as caught:
        await embeddings.embed("carapace", ["a"])
    assert caught.value.retry_after_ms == 2_500
    assert (await embeddings.embed("carapace", ["a"])).vectors


async def test_what_the_model_here_cannot_take_is_refused_before_it_is_asked():
    embeddings, _, local = house()
    with pytest.raises(Refused, match=r"input\.1: .*in pieces"):
        await embeddings.embed("carapace", ["a", "x" * (MAX_LOCAL_CHARS + 1)])
    with pytest.raises(Refused, match="384 numbers"):
        await embeddings.embed("carapace", ["a"], dimensions=256)
    assert local.asked == []
    assert (await embeddings.embed("carapace", ["a"], dimensions=384)).vectors
