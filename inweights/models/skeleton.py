"""A backbone's shapes without its weights: for all that can be known before gigabytes are loaded."""

from functools import cache

import torch

from inweights.models import locate
from inweights.models.base import Backbone
from inweights.models.card import ModelCard
from inweights.models.families import FAMILIES, family_of
from inweights.models.loading import tokenizer_of, without_pooler
from inweights.models.model_config import configuration, quiet, why
from inweights.types import UserError


@cache
def skeleton(name: str) -> Backbone:
    """A backbone that encodes texts and takes updates, but cannot be run: its parameters have shapes and no values.

    Raises UserError where there is no such model.
    """
    place = locate(name)
    with quiet():
        config = configuration(name, place)
        family = FAMILIES[family_of(config)]
        tokenizer = tokenizer_of(name, place)
        try:
            with torch.device("meta"):
                module = without_pooler(family.auto.from_config(config))
        except Exception as error:  # transformers raises whatever its readers do
            raise UserError(why(error, name, place)) from error
    card = ModelCard(
        name=name,
        family=family_of(config),
        architecture=type(module).__name__,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        dtype="none",
        device="none",
        max_tokens=10**9,
        digest="",
        abilities=family.abilities,
    )
    return family.of(card, module, tokenizer)
