"""An adapter as PEFT writes it: `adapter_config.json` and `adapter_model.safetensors`, with PEFT's own key names.

Bottleneck adapters, which PEFT does not know, have their tensors alone in a file that it does not take for its own.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from inweights.engine.learned_prefix import LearnedPrefix
from inweights.models.base import LanguageModel
from inweights.updates import IA3

PEFT_ROOT = "base_model.model."
ADAPTERS = "adapters.safetensors"
TASK_TYPES = {"label-words": "CAUSAL_LM", "score": "SEQ_CLS", "head": "FEATURE_EXTRACTION"}


def write_lora(
    folder: Path, module: nn.Module, tensors: Mapping[str, Tensor], alpha: float, common: Mapping[str, Any]
) -> None:
    """LoRA factors, named as in the backbone (`...q_proj.lora_A.weight`)."""
    targets = sorted({name.split(".lora_")[0] for name in tensors if ".lora_" in name})
    rank = next(tensor.shape[0] for name, tensor in tensors.items() if name.endswith("lora_A.weight"))
    conv = type(module.get_submodule(targets[0])).__name__ == "Conv1D"
    _write(
        folder,
        {f"{PEFT_ROOT}{name}": tensor for name, tensor in tensors.items()},
        r=rank,
        lora_alpha=alpha,
        target_modules=targets if common["task_type"] == "FEATURE_EXTRACTION" else _shortest(targets, module),
        bias="none",
        fan_in_fan_out=conv,
        **common,
    )


def write_biases(folder: Path, module: nn.Module, tensors: Mapping[str, Tensor], common: Mapping[str, Any]) -> None:
    """Biases, and a head alone, ride on a LoRA of rank 1 whose factors are zero, because PEFT carries them with one only.

    Loads and merges to exactly the trained biases (METHODS: checked on OPT).
    """
    vehicle = next(name for name, each in module.named_modules() if type(each).__name__ in ("Linear", "Conv1D"))
    linear = module.get_submodule(vehicle)
    conv = type(linear).__name__ == "Conv1D"
    weight = linear.weight
    assert isinstance(weight, Tensor)
    outputs, inputs = reversed(weight.shape) if conv else weight.shape

    def key(name: str) -> str:
        # PEFT moves the layer that carries a LoRA one level down.
        return f"{PEFT_ROOT}{vehicle}.base_layer.bias" if name == f"{vehicle}.bias" else f"{PEFT_ROOT}{name}"

    factors = {
        f"{PEFT_ROOT}{vehicle}.lora_A.weight": torch.zeros(1, inputs),
        f"{PEFT_ROOT}{vehicle}.lora_B.weight": torch.zeros(outputs, 1),
    }
    _write(
        folder,
        factors | {key(name): tensor for name, tensor in tensors.items()},
        r=1,
        lora_alpha=1,
        target_modules=[vehicle],
        bias="all" if any(name.endswith(".bias") for name in tensors) else "none",
        fan_in_fan_out=conv,
        **common,
    )


def write_scales(
    folder: Path, module: nn.Module, tensors: Mapping[str, Tensor], update: IA3, common: Mapping[str, Any]
) -> None:
    """(IA)3 as PEFT has it: which layers, and which of them are scaled at their input."""
    from peft import IA3Config

    names = [name.removesuffix(".ia3_l") for name in tensors if name.endswith(".ia3_l")]
    inner = [name for name in names if re.search(update.feedforward, name)]
    conv = any(type(module.get_submodule(name)).__name__ == "Conv1D" for name in names)
    config = IA3Config(inference_mode=True, target_modules=names, feedforward_modules=inner, fan_in_fan_out=conv, **common)
    _save(folder, config, {f"{PEFT_ROOT}{name}": tensor for name, tensor in tensors.items()})


def write_prefix(folder: Path, module: Any, tensors: Mapping[str, Tensor], common: Mapping[str, Any]) -> None:
    """Prefix tuning as PEFT has it: a row for each token, with the keys and values of all blocks in it."""
    from peft import PrefixTuningConfig

    blocks = sum(name.endswith(".key") for name in tensors)
    keys, values = ([tensors[f"prefix.{block}.{kind}"] for block in range(blocks)] for kind in ("key", "value"))
    heads, tokens, size = keys[0].shape
    config = PrefixTuningConfig(
        inference_mode=True,
        num_virtual_tokens=tokens,
        num_layers=blocks,
        num_attention_heads=heads,
        token_dim=heads * size,
        **{name: value for name, value in common.items() if name != "modules_to_save"},
    )
    _save(folder, config, {"prompt_embeddings": _rows_of(keys, values)})


def write_cartridge(folder: Path, front: LearnedPrefix, common: Mapping[str, Any]) -> None:
    """A key/value prefix as PEFT has it (CartridgeConfig), the tokens that did not change said to be frozen."""
    from peft import CartridgeConfig

    like = front.keys[0]
    whole = front.prefix_in(torch.float32)
    config = CartridgeConfig(
        inference_mode=True,
        num_frozen_tokens=front.tokens - like.shape[1],
        num_virtual_tokens=front.tokens,
        num_layers=len(front.keys),
        num_attention_heads=like.shape[0],
        token_dim=like.shape[0] * like.shape[2],
        **{name: value for name, value in common.items() if name != "modules_to_save"},
    )
    _save(folder, config, {"prompt_embeddings": _rows_of(whole.keys, whole.values)})


def write_prompt(folder: Path, model: LanguageModel, tensors: Mapping[str, Tensor], common: Mapping[str, Any]) -> None:
    """Prompt tuning as PEFT has it: a row for each token."""
    from peft import PromptTuningConfig

    table = tensors["prompt.embeddings"]
    settings = cast(Any, model.module).config.get_text_config()
    config = PromptTuningConfig(
        inference_mode=True,
        num_virtual_tokens=table.shape[0],
        token_dim=table.shape[1],
        num_layers=len(model.blocks()),
        num_attention_heads=settings.num_attention_heads,
        num_transformer_submodules=1,
        **{name: value for name, value in common.items() if name != "modules_to_save"},
    )
    _save(folder, config, {"prompt_embeddings": table})


def write_bottlenecks(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Bottleneck adapters, named as in the backbone (`...fc2.adapter.down.weight`)."""
    _save_tensors(folder / ADAPTERS, tensors)


def _rows_of(keys: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
    """A row for each token: its keys and values in every block, head by head."""
    pairs = [each.detach().cpu() for pair in zip(keys, values, strict=True) for each in pair]
    return torch.stack(pairs).permute(2, 0, 1, 3).flatten(1)


def keys_and_values(table: Tensor, blocks: int, heads: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Of such rows, by block: heads x tokens x size."""
    pairs = table.view(table.shape[0], 2 * blocks, heads, -1).permute(1, 2, 0, 3)
    return pairs[0::2].unbind(0), pairs[1::2].unbind(0)


def prefix_of(table: Tensor, shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of such rows keys and values by name, as `shapes` has them."""
    blocks = sum(name.endswith(".key") for name in shapes)
    both = zip(("key", "value"), keys_and_values(table, blocks, shapes["prefix.0.key"].shape[0]), strict=True)
    return {f"prefix.{block}.{kind}": each for kind, tensors in both for block, each in enumerate(tensors)}


def _write(folder: Path, tensors: Mapping[str, Tensor], **settings: Any) -> None:
    from peft import LoraConfig

    _save(folder, LoraConfig(inference_mode=True, lora_dropout=0.0, **settings), tensors)


def _save(folder: Path, config: Any, tensors: Mapping[str, Tensor]) -> None:
    config.save_pretrained(str(folder))
    _save_tensors(folder / "adapter_model.safetensors", tensors)


def _save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(whole, path, metadata={"format": "pt"})


def _shortest(targets: list[str], module: nn.Module) -> list[str]:
    """Last names (`q_proj`), which other loaders expect, where they mean exactly `targets`; whole names otherwise."""
    last = {name.rpartition(".")[2] for name in targets}
    meant = {name for name, _ in module.named_modules() if name.rpartition(".")[2] in last}
    return sorted(last) if meant == set(targets) else targets


def inner_prefix(module: nn.Module) -> str:
    """How the names of a backbone's parameters begin where it stands inside a model with an LM head."""
    inner = module.base_model
    return next((f"{name}." for name, each in module.named_modules() if each is inner and name), "")
