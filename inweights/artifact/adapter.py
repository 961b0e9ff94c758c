"""An adapter as PEFT writes it: `adapter_config.json` and `adapter_model.safetensors`, with PEFT's own key names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

PEFT_ROOT = "base_model.model."
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


def _write(folder: Path, tensors: Mapping[str, Tensor], **settings: Any) -> None:
    from peft import LoraConfig
    from safetensors.torch import save_file

    LoraConfig(inference_mode=True, lora_dropout=0.0, **settings).save_pretrained(str(folder))
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(whole, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def _shortest(targets: list[str], module: nn.Module) -> list[str]:
    """Last names (`q_proj`), which other loaders expect, where they mean exactly `targets`; whole names otherwise."""
    last = {name.rpartition(".")[2] for name in targets}
    meant = {name for name, _ in module.named_modules() if name.rpartition(".")[2] in last}
    return sorted(last) if meant == set(targets) else targets


def inner_prefix(module: nn.Module) -> str:
    """How the names of a backbone's parameters begin where it stands inside a model with an LM head."""
    inner = module.base_model
    return next((f"{name}." for name, each in module.named_modules() if each is inner and name), "")
