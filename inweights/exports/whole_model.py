"""A whole model as transformers writes it, tokenizer included; loads with the Auto class that the form names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inweights.engine.swap import Swap
from inweights.models.base import Backbone
from inweights.models.loading import without_pooler


def write_model(
    folder: Path, model: Backbone, trained: Mapping[str, Tensor], labels: tuple[str, ...], task_type: str
) -> None:
    """The backbone with `trained` in the place of its own weights; `score.weight` goes in where `task_type` has one."""
    module: Any = model.module
    tokenizer = model.tokenizer
    shared = dict(module.named_parameters())
    # In the backbone's dtype: trained tensors are fp32 whatever that is.
    own = {name: tensor.to(shared[name].dtype) for name, tensor in trained.items() if name in shared}
    with Swap(module, own)():  # type: ignore[arg-type]
        state = module.state_dict()
    # A fresh configuration: ours names the attention that scoring puts in, which nobody else has.
    config = type(module.config).from_dict(module.config.to_dict())
    config.dtype = next(module.parameters()).dtype
    if task_type == "SEQ_CLS":
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        state = {**state, "score.weight": trained["score.weight"].to(config.dtype)}
        if config.pad_token_id is None:
            config.pad_token_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        whole = _filled(_classifier(config), config, state)
    else:
        whole = without_pooler(_filled(type(module), config, state))
    if "text" in model.card.abilities:
        whole.generation_config = module.generation_config
    whole.save_pretrained(folder, state_dict={**_untied_head(state), **whole.state_dict()})
    tokenizer.save_pretrained(folder)


def _classifier(config: Any) -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification._model_mapping[type(config)]


def _filled(kind: Any, config: Any, state: Mapping[str, Tensor]) -> Any:
    """A model of that class which shares the tensors of `state`; no weight is made twice."""
    with torch.device("meta"):
        whole = kind(config)
    missing, _ = whole.load_state_dict(state, strict=False, assign=True)
    wanted = [name for name in missing if not name.startswith("pooler.")]
    assert not wanted, f"weights that a {kind.__name__} wants and the backbone lacks: {wanted}"
    whole.tie_weights()
    return whole


def _untied_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An LM head of its own stays in a classifier's folder too: without it the folder would be no causal model."""
    heads = ("lm_head.weight", "lm_head.bias", "embed_out.weight")
    others = {tensor.data_ptr() for name, tensor in state.items() if name not in heads}
    return {name: state[name] for name in heads if name in state and state[name].data_ptr() not in others}
