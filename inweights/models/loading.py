"""From a folder or a hub name to a backbone in memory: family, dtype and device chosen, mistakes said in one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inweights.models.base import LanguageModel, ModelCard
from inweights.models.causal import CausalLM
from inweights.models.digest import digest
from inweights.models.encoder import Encoder
from inweights.models.model_config import configuration, is_encoder, quiet, why
from inweights.models.packing_check import packing_where_equal
from inweights.types import UserError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FIRST_POSITION_BEHIND_PAD = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "data2vec-text")
"""Model types that number positions from the padding token's id + 1, so that their table has unusable rows."""


def load_from(name: str, place: str, dtype: str | None, device: str | None) -> LanguageModel:
    """Raises UserError where it cannot be had."""
    chosen_device = _device(device)
    chosen_dtype = _dtype(dtype, chosen_device)
    with quiet():
        config = configuration(name, place)
        encoder = is_encoder(config)
        tokenizer = tokenizer_of(name, place)
        module = _module(name, place, chosen_dtype, encoder)
        try:
            module = module.to(chosen_device).eval()
        except RuntimeError as error:
            raise UserError(f"{name} does not go onto {chosen_device}: {why(error)}") from error
        module.requires_grad_(False)
        first = int(config.pad_token_id) + 1 if config.model_type in FIRST_POSITION_BEHIND_PAD else 0
        card = ModelCard(
            name=name,
            family="encoder" if encoder else "causal",
            architecture=type(module).__name__,
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            dtype=next(short for short, each in DTYPES.items() if each == chosen_dtype),
            device=_spelled(chosen_device),
            max_tokens=_max_tokens(config, tokenizer, first),
            digest=digest(place, module),
        )
        if encoder:
            size = int(config.get_text_config().hidden_size)
            return packing_where_equal(Encoder(card, module, tokenizer, size, first, packs=False))
        size = read_size(module)
        return packing_where_equal(CausalLM(card, module, tokenizer, size, bos_ids_of(tokenizer), packs=False))


def _device(device: str | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"there is no device {device!r}; there are cpu, cuda, cuda:1, mps") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device {device!r} was asked for and {torch.cuda.device_count()} CUDA devices are there")
    return chosen


def _dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    if dtype is None:
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
        raise UserError(f"{place} has no tokenizer (tokenizer.json): copy it there from where the model comes from")
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever its readers do
        raise UserError(f"the tokenizer of {name} cannot be loaded: {why(error)}") from error
    return tokenizer


def _module(name: str, place: str, dtype: torch.dtype, encoder: bool) -> Any:
    from transformers import AutoModel, AutoModelForCausalLM

    if Path(place).is_dir() and not any(Path(place).glob("*.safetensors")):
        pickled = sorted(each.name for kind in ("*.bin", "*.pt", "*.pth") for each in Path(place).glob(kind))
        raise UserError(
            f"{place} has its weights as {pickled[0]}, a pickle, which can run code when it is read: "
            "take the model as safetensors, or convert it with save_pretrained"
            if pickled
            else f"{place} has no weights (model.safetensors)"
        )
    auto = AutoModel if encoder else AutoModelForCausalLM
    try:
        module, found = auto.from_pretrained(
            place,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that the error can be ours, with the sizes in it
        )
    except Exception as error:
        raise UserError(why(error, name, place)) from error
    for key, there, wanted in sorted(found["mismatched_keys"]):
        raise UserError(
            f"{name} has {key} of size {_size(there)} where its config.json makes it {_size(wanted)}: "
            "the two are not of one model"
        )
    missing = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise UserError(
            f"{name} lacks {len(missing)} of the weights of a {type(module).__name__}, such as {missing[0]}: "
            "it is another kind of model, or an incomplete copy"
        )
    if getattr(module, "pooler", None) is not None:
        module.pooler = None  # nothing reads it, so nothing should count or train it
    return module


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def read_size(module: Any) -> int:
    """Width of the vectors a causal model is read at: in OPT-350M the head reads narrower ones than blocks pass on."""
    return int(module.get_output_embeddings().weight.shape[1])


def bos_ids_of(tokenizer: Any) -> tuple[int, ...]:
    """The special tokens in front of a text; asked with a text, since templates may put some behind it, too."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    return tuple(whole[: next(at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)])


def _max_tokens(config: Any, tokenizer: Any, first_position: int) -> int:
    """The context window; a tokenizer's own limit counts for an encoder alone, where it is told by training."""
    settings = config.get_text_config()
    limits = [getattr(settings, key, None) for key in ("max_position_embeddings", "n_positions", "seq_length")]
    known = [int(limit) - first_position for limit in limits if limit]
    if (is_encoder(config) or not known) and tokenizer.model_max_length < 10**9:
        known.append(int(tokenizer.model_max_length))
    return min(known) if known else 10**9
