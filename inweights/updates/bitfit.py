"""Bias terms only."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates.base import Adapted, Work, count, difference, private_copies, trainable
from inweights.updates.peft_format import Stored, Target, named_by_backbone, on_a_zero_lora


@dataclass(frozen=True)
class BitFit:
    """BitFit (Ben Zaken et al. 2022, arXiv 2106.10199): every bias, those of norms too; no gain or embedding."""

    name = "bitfit"
    stacks = True
    schedule = Schedule(lr=1.6e-3, epochs=20, batch_size=8, stop_loss=0.01)
    peft = True
    limits = "The adapter holds biases (`bias: all`); for servers that load only plain LoRA, merge it first."

    def apply(self, model: Backbone, seed: int) -> Adapted:
        # Norms without a bias (RMSNorm) and linear layers without one are simply not named.
        names = [name for name, _ in trainable(model) if name.split(".")[-1] == "bias"]
        if not names:
            raise UserError(
                f"BitFit would train nothing: {model.card.architecture} has no bias terms "
                "(OPT, GPT-2, GPT-NeoX and BERT have them; Llama, Mistral, Qwen3 and Gemma do not): take lora"
            )
        return private_copies(model, names)

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored:
        return on_a_zero_lora(trained, target)

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        return named_by_backbone(stored)

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return difference(model, parameters)

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        # No linear layer has to keep its input for a weight's gradient.
        return Work(count(parameters), kept=0.85)
