"""A source's description keeps its secrets to itself."""

from __future__ import annotations

from carapace.agent.providers.spec import Api, ModelSpec, ProviderSpec

ROW = ModelSpec("a", "A", headers={"X-Key": "model-secret"})
SPEC = ProviderSpec(
    name="p",
    api=Api.OPENAI_COMPLETIONS,
    api_key="sk-very-secret",
    headers={"X-Other": "header-secret", "X-Flag": "on"},
    models=(ROW,),
)


def test_a_listed_model_is_found_and_another_is_taken_at_its_word() -> None:
    assert SPEC.model("a") is ROW
    assert SPEC.model("b") == ModelSpec("b", "b")


def test_all_secrets_are_known_but_short_words_are_none() -> None:
    assert SPEC.secrets() == ("sk-very-secret", "header-secret", "model-secret")


def test_printing_shows_no_secret() -> None:
    assert "secret" not in repr(
        ProviderSpec("p", SPEC.api, api_key="secret", headers={"a": "secret"})
    )
