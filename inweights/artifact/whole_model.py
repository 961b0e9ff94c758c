"""A whole model as transformers writes it, tokenizer included; loads with the Auto class that the form names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from inweights.models.base import LanguageModel, Swap


def write_model(
    folder: Path, model: LanguageModel, trained: Mapping[str, Tensor], labels: tuple[str, ...], task_type: str
) -> None:
    """The backbone with `trained` in the place of its own weights; `score.weight` goes in where `task_type` has one."""
    module = cast(Any, model.module)
    own = {name: tensor for name, tensor in trained.items() if not name.startswith("score.")}
    with Swap(module, own)():  # type: ignore[arg-type]
        state = (module.base_model if task_type == "FEATURE_EXTRACTION" else module).state_dict()
    # A fresh configuration: ours names the attention that scoring puts in, which nobody else has.
    config = type(module.config).from_dict(module.config.to_dict())
    config.dtype = next(module.parameters()).dtype
    if task_type == "SEQ_CLS":
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        state = {**state, "score.weight": trained["score.weight"]}
        tokenizer = cast(Any, model).tokenizer
        if config.pad_token_id is None:
            config.pad_token_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    whole = _filled(_class(module, config, task_type), config, state)
    if task_type == "CAUSAL_LM":
        whole.generation_config = module.generation_config
    whole.save_pretrained(folder)
    cast(Any, model).tokenizer.save_pretrained(folder)


def _class(module: Any, config: Any, task_type: str) -> Any:
    from transformers import AutoModelForSequenceClassification

    if task_type == "SEQ_CLS":
        return AutoModelForSequenceClassification._model_mapping[type(config)]
    return type(module.base_model) if task_type == "FEATURE_EXTRACTION" else type(module)


def _filled(kind: Any, config: Any, state: Mapping[str, Tensor]) -> Any:
    """A model of that class which shares the tensors of `state`; no weight is made twice."""
    with torch.device("meta"):
        whole = kind(config)
    missing, _ = whole.load_state_dict(state, strict=False, assign=True)
    assert not missing, f"weights that a {kind.__name__} wants and the backbone lacks: {missing}"
    whole.tie_weights()
    return whole
