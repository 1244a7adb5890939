"""Vendors and models that are known without configuration: data in `well_known.toml`."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from carapace.agent.providers.spec import Api, ModelSpec
from carapace.value import Value

__all__ = ["Catalogue", "Vendor", "well_known"]


class Vendor(Value, frozen=True):
    """One vendor.

    Attributes:
        name: The provider's name in `provider/model`.
        api: Its wire format.
        base_url: None is what its adapter knows.
        keys: Environment variables that may hold its key, first wins.
        models: Best default first.
    """

    name: str
    api: Api
    base_url: str | None
    keys: tuple[str, ...]
    models: tuple[ModelSpec, ...]


class Catalogue(Value, frozen=True):
    """All of it, and the day it was last looked over."""

    as_of: date
    vendors: dict[str, Vendor]


@cache
def well_known() -> Catalogue:
    """The catalogue of this release, read once."""
    text = files("carapace.agent.providers").joinpath("well_known.toml").read_text("utf-8")
    data = tomllib.loads(text)
    vendors = {name: _vendor(name, row) for name, row in data["vendors"].items()}
    return Catalogue(data["as_of"], vendors)


def _vendor(name: str, row: dict[str, Any]) -> Vendor:
    return Vendor(
        name=name,
        api=Api(row["api"]),
        base_url=row.get("base_url"),
        keys=tuple(row.get("keys", ())),
        models=tuple(_model(model) for model in row.get("models", ())),
    )


def _model(row: dict[str, Any]) -> ModelSpec:
    return ModelSpec(
        id=row["id"],
        name=row["name"],
        reasoning=row["reasoning"],
        takes_images=True,
        context_tokens=row["context"],
        max_tokens=row.get("max_tokens"),
    )
