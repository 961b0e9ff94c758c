"""Low-rank adaptation."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.engine.trees import Patch
from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates.base import Adapted, Work, count
from inweights.updates.low_rank import added
from inweights.updates.peft_format import Stored, Target, is_conv, named_by_backbone, named_by_peft


@dataclass(frozen=True)
class LoRA:
    """LoRA (Hu et al. 2021, arXiv 2106.09685): W x + (alpha / rank) B A x, with W frozen and B zero at the start."""

    name = "lora"
    stacks = True
    schedule = Schedule(lr=1e-3, epochs=20, batch_size=8, stop_loss=0.01)
    peft = True
    limits = ""
    rank: int = 8
    alpha: float = 16.0
    targets: str = "all-linear"
    """A regular expression that is searched for in module names, such as `q_proj|v_proj`, or `all-linear`: every linear
    layer but the LM head."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UserError(f"update.rank is {self.rank}: expected at least 1")
        try:
            re.compile(self.targets)
        except re.error as error:
            raise UserError(f"LoRA targets {self.targets!r} is not a regular expression: {error}") from error

    def apply(self, model: Backbone, seed: int) -> Adapted:
        layers = {name: layer for name, layer in model.linear_layers().items() if self._is_target(name)}
        if not layers:
            known = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in model.linear_layers()))
            raise UserError(
                f"LoRA targets {self.targets!r} match no linear layer of {model.card.architecture}; it has {known}"
            )
        # On the CPU, so that a seed gives the same start on every device.
        generator = torch.Generator().manual_seed(seed)
        parameters: dict[str, nn.Parameter] = {}
        for name, layer in layers.items():
            a = torch.empty(self.rank, layer.inputs)
            nn.init.kaiming_uniform_(a, a=5**0.5, generator=generator)  # as in PEFT and microsoft/LoRA
            parameters[f"{name}.lora_A.weight"] = nn.Parameter(a.to(layer.weight.device))
            parameters[f"{name}.lora_B.weight"] = nn.Parameter(
                torch.zeros(layer.outputs, self.rank, device=layer.weight.device)
            )
        modules = {name: layer.module for name, layer in layers.items()}
        return Adapted(model.patched(_Added(modules, (parameters,), self.alpha / self.rank)), parameters)

    def _is_target(self, name: str) -> bool:
        return self.targets == "all-linear" or re.search(self.targets, name) is not None

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored:
        from peft import LoraConfig

        layers = sorted({name.split(".lora_")[0] for name in trained if ".lora_" in name})
        whole = target.task_type == "FEATURE_EXTRACTION"
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=0.0,
            target_modules=layers if whole else _shortest(layers, target.module),
            bias="none",
            fan_in_fan_out=is_conv(target.module.get_submodule(layers[0])),
            **target.with_head(),
        )
        return Stored(named_by_peft(trained), config)

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        return named_by_backbone(stored)

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "..."]]:
        """(alpha / rank) B A for every weight that it adds to, by the weight's name and in its layout; fp32."""
        deltas = {}
        for name, layer in model.linear_layers().items():
            if f"{name}.lora_A.weight" in parameters:
                a, b = parameters[f"{name}.lora_A.weight"], parameters[f"{name}.lora_B.weight"]
                delta = self.alpha / self.rank * (b.detach().float() @ a.detach().float())
                deltas[f"{name}.weight"] = layer.as_stored(delta)
        return deltas

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        return Work(count(parameters), narrow=count(parameters))


@dataclass(frozen=True)
class _Added:
    """The patch, of one run or of several in one row."""

    layers: Mapping[str, nn.Module]
    parameters: tuple[Mapping[str, nn.Parameter], ...] = field(repr=False)
    scale: float

    def __call__(self) -> AbstractContextManager[None]:
        # A and B of every run for each layer, in the order of the row's segments.
        factors = {
            name: [(each[f"{name}.lora_A.weight"], each[f"{name}.lora_B.weight"]) for each in self.parameters]
            for name in self.layers
        }
        return added(self.layers, factors, self.scale)

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        patches = [self, *(patch for patch in others if isinstance(patch, _Added))]
        alike = [patch for patch in patches if patch._shapes() == self._shapes() and patch.scale == self.scale]
        if len(alike) <= len(others):
            return None
        return _Added(self.layers, tuple(run for patch in alike for run in patch.parameters), self.scale)

    def _shapes(self) -> list[tuple[str, torch.Size]]:
        return [(name, tensor.shape) for name, tensor in self.parameters[0].items()]


def _shortest(layers: list[str], module: nn.Module) -> list[str]:
    """Last names (`q_proj`), which other loaders expect, if they match exactly `layers`; else whole names."""
    last = {name.rpartition(".")[2] for name in layers}
    meant = {name for name, _ in module.named_modules() if name.rpartition(".")[2] in last}
    return sorted(last) if meant == set(layers) else layers
