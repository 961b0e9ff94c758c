"""From a folder or a hub name to a backbone in memory: family, dtype and device chosen, mistakes said in one line."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from inweights.models.base import LanguageModel, ModelCard, weights_digest
from inweights.models.causal import CausalLM
from inweights.models.encoder import Encoder
from inweights.types import UserError

ENCODERS = ("bert", "roberta", "distilbert", "deberta", "electra", "mpnet", "albert", "modernbert", "camembert")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_folder(name: str, place: str, dtype: str | None, device: str | None) -> LanguageModel:
    chosen_device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    chosen_dtype = _dtype(dtype, chosen_device)
    config = _config(name, place)
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(
            f"{name} is an encoder-decoder ({config.model_type}); take a causal language model or an encoder"
        )
    encoder = any(config.model_type.startswith(each) or config.model_type.endswith(f"-{each}") for each in ENCODERS)
    tokenizer = _tokenizer(name, place)
    module = _module(name, place, chosen_dtype, encoder).to(chosen_device).eval()
    module.requires_grad_(False)
    card = ModelCard(
        name=name,
        family="encoder" if encoder else "causal",
        architecture=type(module).__name__,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        dtype=next(short for short, each in DTYPES.items() if each == chosen_dtype),
        device=torch.cuda.get_device_name(chosen_device) if chosen_device.startswith("cuda") else chosen_device,
        max_tokens=_max_tokens(config, tokenizer),
        digest=_digest(place, module),
    )
    hidden = int(module.config.hidden_size)
    if encoder:
        return Encoder(card, module, tokenizer, hidden)
    # OPT-350M: the LM head reads a narrower vector than the blocks pass on.
    head = module.get_output_embeddings()
    hidden = int(head.weight.shape[1]) if head is not None else hidden
    return CausalLM(card, module, tokenizer, hidden, packs=_replace_attention(module))


def _replace_attention(module: nn.Module) -> bool:
    """Put our attention in the place of the model's own; False where its code has no place for it."""
    from transformers import AttentionInterface

    from inweights.models.attention import NAME, attend

    if not getattr(module, "_supports_attention_backend", False):
        return False
    AttentionInterface.register(NAME, attend)
    try:
        cast(Any, module).set_attn_implementation(NAME)
    except (ValueError, ImportError):
        return False
    return bool(cast(Any, module).config._attn_implementation == NAME)


def _dtype(dtype: str | None, device: str) -> torch.dtype:
    if dtype is None:
        bf16 = device.startswith("cuda") and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if bf16 else torch.float32
    if dtype not in DTYPES:
        raise UserError(f"there is no dtype {dtype!r}; there are {', '.join(DTYPES)}")
    return DTYPES[dtype]


def _config(name: str, place: str) -> Any:
    from transformers import AutoConfig

    if Path(place).is_dir():
        path = Path(place) / "config.json"
        if not path.exists():
            raise UserError(f"{place} is no model folder: it has no config.json")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise UserError(f"{path} cannot be read ({error}): take another copy of the model") from error
        if "auto_map" in values:
            raise UserError(
                f"{place} brings its own Python code (auto_map in config.json), which inweights does not run: "
                "take a model whose architecture transformers has"
            )
    elif place.startswith((".", "/", "~")) or place.count("/") > 1:
        raise UserError(f"there is no model folder {place}")
    try:
        return AutoConfig.from_pretrained(place, trust_remote_code=False)
    except Exception as error:
        raise UserError(_why(name, place, error)) from error


def _tokenizer(name: str, place: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as error:
        raise UserError(f"the tokenizer of {name} cannot be loaded: {_line(error)}") from error


def _module(name: str, place: str, dtype: torch.dtype, encoder: bool) -> Any:
    from transformers import AutoModel, AutoModelForCausalLM
    from transformers.utils import logging

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    auto = AutoModel if encoder else AutoModelForCausalLM
    try:
        return auto.from_pretrained(place, dtype=dtype, use_safetensors=True, trust_remote_code=False)
    except Exception as error:
        raise UserError(_why(name, place, error)) from error


def _why(name: str, place: str, error: Exception) -> str:
    line = _line(error)
    if "remote code" in line or "trust_remote_code" in line:
        return f"{name} needs code of its own, which is not run: take a model whose architecture transformers has"
    if Path(place).is_dir():
        return f"the model folder {place} cannot be loaded: {line}"
    return (
        f"{name!r} is no folder here, and no hub could be reached for a model of that name: "
        f"give a folder, `embedded`, or try again with a connection ({line})"
    )


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) < 200 else text[:197] + "..."


def _max_tokens(config: Any, tokenizer: Any) -> int:
    limits = [getattr(config, key, None) for key in ("max_position_embeddings", "n_positions", "seq_length")]
    known = [int(limit) for limit in limits if limit]
    if tokenizer.model_max_length and tokenizer.model_max_length < 10**9:
        known.append(int(tokenizer.model_max_length))
    # RoBERTa's table has two rows more than it can use, and its tokenizer says so; others agree.
    return min(known) if known else 10**9


def _digest(place: str, module: nn.Module) -> str:
    files = sorted(Path(place).glob("*.safetensors")) if Path(place).is_dir() else []
    if not files:
        return weights_digest(module)
    sha = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 24):
                sha.update(block)
    return sha.hexdigest()[:16]
