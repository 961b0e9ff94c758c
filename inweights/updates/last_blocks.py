"""The last blocks, the final norm and the head: adaptive fine-tuning (Srinivasan et al. 2024, arXiv 2405.13181)."""

from dataclasses import dataclass

from torch import nn

from inweights.models.base import LanguageModel
from inweights.types import UserError
from inweights.updates.base import Adapted
from inweights.updates.full import private_copies


@dataclass(frozen=True)
class LastBlocks:
    """Blocks further from the top learn more slowly: lr * decay^(distance from the top)."""

    name = "last-blocks"
    blocks: int = 2
    decay: float = 0.95

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        blocks = list(model.blocks())
        if not 1 <= self.blocks <= len(blocks):
            raise UserError(f"the last {self.blocks} blocks cannot train: {model.card.name} has {len(blocks)}")
        distance = {
            id(parameter): len(blocks) - 1 - number
            for number, block in enumerate(blocks)
            for parameter in block.parameters()
        }
        embeddings = {
            id(parameter)
            for module in model.module.modules()
            if isinstance(module, nn.Embedding)
            for parameter in module.parameters()
        }
        scales: dict[str, float] = {}
        for name, parameter in model.module.named_parameters():
            away = distance.get(id(parameter))
            # Outside the blocks, what is no part of the embeddings is the final norm and an LM head of its own.
            behind = away is None and id(parameter) not in embeddings and not _before_blocks(name)
            if behind or (away is not None and away < self.blocks):
                scales[name] = self.decay ** (away or 0)
        adapted = private_copies(model, list(scales))
        return Adapted(adapted.model, adapted.parameters, scales)


def _before_blocks(name: str) -> bool:
    return "embed" in name or "project_in" in name
