"""Prompt tuning (Lester et al. 2021, arXiv 2104.08691): embeddings in front of every text are learnt, and no weight."""

import random
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from inweights.engine.soft_prompt import SoftPrompt
from inweights.models.base import LanguageModel
from inweights.types import UserError
from inweights.updates.base import Adapted
from inweights.updates.prefix import drops_attention, has_place_in_front


@dataclass(frozen=True)
class PromptTuning:
    """The embeddings of `tokens` positions, begun as those of tokens drawn from the vocabulary (section 3.1)."""

    name = "prompt"
    stacks = True
    tokens: int = 20
    """More than 20 gain little (section 3.2)."""

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise UserError(f"a learnt prompt has at least 1 token, not {self.tokens}")

    @torch.no_grad()
    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        has_place_in_front(model, "a prompt")
        table = cast(Any, model.module).get_input_embeddings()
        rng, size = random.Random(f"prompt {seed}"), int(table.weight.shape[0])
        drawn = torch.tensor([rng.randrange(size) for _ in range(self.tokens)], device=table.weight.device)
        # Run, not indexed: some architectures scale what they look up.
        learned = nn.Parameter(table(drawn).float().clone())
        return Adapted(model.patched(SoftPrompt((learned,), not drops_attention(model))), {"prompt.embeddings": learned})
