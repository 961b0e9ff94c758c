"""PEFT's file format: `adapter_config.json` and `adapter_model.safetensors`, with PEFT's own key names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from inweights.models.base import Backbone
from inweights.models.families import TaskType
from inweights.types import UserError

ROOT = "base_model.model."
TENSORS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Target:
    """The model that a stored adapter is loaded on."""

    model: Backbone
    base: str
    """A hub name or the absolute path of a folder."""
    task_type: TaskType = "CAUSAL_LM"
    """Which class of transformers loads the base model; with SEQ_CLS and FEATURE_EXTRACTION there is a head."""

    @property
    def module(self) -> nn.Module:
        """The module in which the file's names begin."""
        inner = self.task_type == "FEATURE_EXTRACTION"
        return cast(nn.Module, self.model.module.base_model) if inner else self.model.module

    @property
    def prefix(self) -> str:
        """The beginning of the names of its parameters in `model`."""
        return inner_prefix(self.model.module) if self.task_type == "FEATURE_EXTRACTION" else ""

    def common(self) -> dict[str, Any]:
        """The settings of every PEFT configuration."""
        return {"inference_mode": True, "task_type": self.task_type, "base_model_name_or_path": self.base}

    def with_head(self) -> dict[str, Any]:
        """The same, and the head that is stored with the adapter."""
        return {**self.common(), "modules_to_save": ["score"] if self.task_type == "SEQ_CLS" else None}


@dataclass(frozen=True)
class Stored:
    """The files of an adapter."""

    tensors: Mapping[str, Tensor]
    config: Any = None
    """A PeftConfig; None for an update that PEFT does not have."""
    file: str = TENSORS

    def write(self, folder: Path) -> None:
        from safetensors.torch import save_file

        if self.config is not None:
            self.config.save_pretrained(str(folder))
        whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.tensors.items()}
        save_file(whole, folder / self.file, metadata={"format": "pt"})


def named_by_peft(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{ROOT}{name}": tensor for name, tensor in tensors.items()}


def named_by_backbone(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reverse. In PEFT a layer with a LoRA is moved one level down."""
    return {name.removeprefix(ROOT).replace(".base_layer.", "."): each for name, each in tensors.items()}


def on_a_zero_lora(trained: Mapping[str, Tensor], target: Target) -> Stored:
    """Biases, or only a head, together with a LoRA of rank 1 whose factors are zero: PEFT stores them only with a LoRA.

    Loaded or merged, this gives exactly the trained biases.
    """
    from peft import LoraConfig

    vehicle = next(name for name, each in target.module.named_modules() if type(each).__name__ in ("Linear", "Conv1D"))
    linear = target.module.get_submodule(vehicle)
    weight = cast(Tensor, linear.weight)
    outputs, inputs = reversed(weight.shape) if is_conv(linear) else weight.shape
    factors = {f"{vehicle}.lora_A.weight": torch.zeros(1, inputs), f"{vehicle}.lora_B.weight": torch.zeros(outputs, 1)}
    # Inside the layer with the LoRA PEFT moves the bias one level down.
    named = {name.replace(f"{vehicle}.bias", f"{vehicle}.base_layer.bias"): each for name, each in trained.items()}
    config = LoraConfig(
        r=1,
        lora_alpha=1,
        lora_dropout=0.0,
        target_modules=[vehicle],
        bias="all" if any(name.endswith(".bias") for name in trained) else "none",
        fan_in_fan_out=is_conv(linear),
        **target.with_head(),
    )
    return Stored(named_by_peft(factors | named), config)


def refuse_head(name: str, target: Target) -> None:
    """Raises UserError for a head on a model with a learned prefix, which no task type of PEFT has."""
    if target.task_type != "CAUSAL_LM":
        raise UserError(f"PEFT has no format for a head on a learned {name}: export pbft+{name}")


def is_conv(layer: nn.Module) -> bool:
    """GPT-2's linear layer, whose weight is transposed."""
    return type(layer).__name__ == "Conv1D"


def inner_prefix(module: nn.Module) -> str:
    """The beginning of a backbone's parameter names inside a model with an LM head."""
    inner = module.base_model
    return next((f"{name}." for name, each in module.named_modules() if each is inner and name), "")
