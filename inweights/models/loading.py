"""From a folder or a hub name to a backbone in memory: its family, dtype and device; mistakes are one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inweights.models.base import Backbone
from inweights.models.card import ModelCard
from inweights.models.causal import CausalLM
from inweights.models.context_window import context_window
from inweights.models.digest import digest
from inweights.models.encoder import Encoder
from inweights.models.families import FAMILIES, Family, family_of
from inweights.models.model_config import configuration, quiet, why
from inweights.models.packing_check import packing_where_equal
from inweights.types import UserError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_from(name: str, place: str, dtype: str | None, device: str | None) -> Backbone:
    """Raises UserError where it cannot be loaded."""
    chosen_device = _device(device)
    chosen_dtype = _dtype(dtype, chosen_device)
    with quiet():
        config = configuration(name, place)
        name_of_family = family_of(config)
        family = FAMILIES[name_of_family]
        tokenizer = tokenizer_of(name, place)
        module = _module(name, place, chosen_dtype, family)
        try:
            module = module.to(chosen_device).eval()
        except RuntimeError as error:
            raise UserError(f"{name} cannot be moved to {chosen_device}: {why(error)}") from error
        # Updates train private copies or additions; a gradient of a shared weight would only take memory.
        module.requires_grad_(False)
        card = ModelCard(
            name=name,
            family=name_of_family,
            architecture=type(module).__name__,
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            dtype=next(short for short, each in DTYPES.items() if each == chosen_dtype),
            device=_spelled(chosen_device),
            max_tokens=context_window(config, tokenizer),
            digest=digest(place, module),
            abilities=family.abilities,
        )
        model = family.of(card, module, tokenizer)
        return packing_where_equal(model) if isinstance(model, CausalLM | Encoder) else model


def _device(device: str | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"there is no device {device!r}; there are cpu, cuda, cuda:1, mps") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(f"there is no device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices")
    return chosen


def _dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    if dtype is None:
        # GPUs before compute capability 8 emulate bf16, slower than fp32.
        bf16 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if bf16 else torch.float32
    if dtype not in DTYPES:
        raise UserError(f"there is no dtype {dtype!r}; there are {', '.join(DTYPES)}")
    return DTYPES[dtype]


def _spelled(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def tokenizer_of(name: str, place: str) -> Any:
    from transformers import AutoTokenizer

    kinds = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model", "*.tiktoken")
    if Path(place).is_dir() and not any(any(Path(place).glob(kind)) for kind in kinds):
        raise UserError(f"{place} has no tokenizer (tokenizer.json): copy it there from the original model")
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever its readers do
        raise UserError(f"the tokenizer of {name} cannot be loaded: {why(error)}") from error
    return tokenizer


def _module(name: str, place: str, dtype: torch.dtype, family: Family) -> Any:
    if Path(place).is_dir() and not any(Path(place).glob("*.safetensors")):
        pickled = sorted(each.name for kind in ("*.bin", "*.pt", "*.pth") for each in Path(place).glob(kind))
        raise UserError(
            f"{place} has its weights in {pickled[0]}, a pickle, which can run code when it is read: "
            "take the model as safetensors, or convert it with save_pretrained"
            if pickled
            else f"{place} has no weights (model.safetensors)"
        )
    try:
        module, found = family.auto.from_pretrained(
            place,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that the error is ours, with the sizes in it
        )
    except Exception as error:
        raise UserError(why(error, name, place)) from error
    for key, there, expected in sorted(found["mismatched_keys"]):
        raise UserError(
            f"{name} has {key} of size {_size(there)}, and its config.json says {_size(expected)}: "
            "they belong to different models"
        )
    # transformers fills missing weights with random numbers and only warns.
    missing = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise UserError(
            f"{name} lacks {len(missing)} of the weights of a {type(module).__name__}, such as {missing[0]}: "
            "it is another kind of model, or an incomplete copy"
        )
    return without_pooler(module)


def without_pooler(module: Any) -> Any:
    """The same module without its pooler: nothing reads it, so it must be neither counted nor trained."""
    if getattr(module, "pooler", None) is not None:
        module.pooler = None
    return module


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
