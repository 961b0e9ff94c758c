"""A backbone's shapes without its weights: what can be asked before gigabytes are loaded."""

from functools import cache

import torch

from inweights.models import locate
from inweights.models.base import LanguageModel, ModelCard
from inweights.models.causal import CausalLM
from inweights.models.encoder import Encoder
from inweights.models.loading import bos_ids_of, read_size, tokenizer_of
from inweights.models.model_config import configuration, is_encoder, quiet, why
from inweights.types import UserError


@cache
def skeleton(name: str) -> LanguageModel:
    """Encodes texts and takes updates, and cannot be run: its parameters have shapes and no values.

    Raises UserError where there is no such model.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    place = locate(name)
    with quiet():
        config = configuration(name, place)
        encoder = is_encoder(config)
        tokenizer = tokenizer_of(name, place)
        try:
            with torch.device("meta"):
                module = (AutoModel if encoder else AutoModelForCausalLM).from_config(config)
        except Exception as error:  # transformers raises whatever its readers do
            raise UserError(why(error, name, place)) from error
    if getattr(module, "pooler", None) is not None:
        module.pooler = None  # as in the loaded model: nothing reads it
    card = ModelCard(
        name=name,
        family="encoder" if encoder else "causal",
        architecture=type(module).__name__,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        dtype="none",
        device="none",
        max_tokens=10**9,
        digest="",
    )
    if encoder:
        return Encoder(card, module, tokenizer, int(config.get_text_config().hidden_size), 0, packs=False)
    return CausalLM(card, module, tokenizer, read_size(module), bos_ids_of(tokenizer), packs=False)
