"""Prompt tuning: learned embeddings that precede every text."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inweights.engine.soft_prompt import SoftPrompt
from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates.base import Adapted, Work, count
from inweights.updates.peft_format import Stored, Target, refuse_head
from inweights.updates.prefix import check_takes_prefix, drops_attention


@dataclass(frozen=True)
class PromptTuning:
    """Prompt tuning (Lester et al. 2021, arXiv 2104.08691): the embeddings of `tokens` positions.

    They start as those of tokens drawn from the vocabulary (section 3.1).
    """

    name = "prompt"
    stacks = True
    schedule = Schedule(lr=3e-2, epochs=20, batch_size=8, stop_loss=0.01)
    peft = True
    limits = ""
    tokens: int = 20
    """More than 20 gain little (section 3.2)."""

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise UserError(f"expected a learned prompt of at least 1 token, not {self.tokens}")

    @torch.no_grad()
    def apply(self, model: Backbone, seed: int) -> Adapted:
        check_takes_prefix(model, "a prompt")
        table = model.input_embeddings
        rng, size = random.Random(f"prompt {seed}"), model.vocabulary_size
        # Drawn on the CPU, so that a seed gives the same tokens on every device.
        drawn = torch.tensor([rng.randrange(size) for _ in range(self.tokens)], device=model.device)
        # The embedding layer is called, not indexed: some architectures scale its output.
        learned = nn.Parameter(table(drawn).float().clone())
        return Adapted(model.patched(SoftPrompt((learned,), not drops_attention(model))), {"prompt.embeddings": learned})

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored:
        from peft import PromptTuningConfig

        refuse_head(self.name, target)
        table = trained["prompt.embeddings"]
        config = PromptTuningConfig(
            num_virtual_tokens=table.shape[0],
            token_dim=table.shape[1],
            num_layers=len(target.model.blocks()),
            num_attention_heads=target.model.config.num_attention_heads,
            num_transformer_submodules=1,
            **target.common(),
        )
        return Stored({"prompt_embeddings": table}, config)

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        return {"prompt.embeddings": stored["prompt_embeddings"]}

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> None:
        return None

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        return Work(count(parameters), tokens=self.tokens, kept=0.9)
