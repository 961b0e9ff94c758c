"""Bias terms only (Ben Zaken et al. 2022, arXiv 2106.10199)."""

from dataclasses import dataclass

from inweights.models.base import LanguageModel
from inweights.types import UserError
from inweights.updates.base import Adapted, private_copies, trainable


@dataclass(frozen=True)
class BitFit:
    """Every bias, those of the norms too, and no gain; embeddings and a tied LM head stay as they are."""

    name = "bitfit"
    stacks = True

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        names = [name for name, _ in trainable(model) if name.split(".")[-1] == "bias"]
        if not names:
            raise UserError(
                f"BitFit would train nothing: {model.card.architecture} has no bias terms "
                "(OPT, GPT-2, GPT-NeoX and BERT have them; Llama, Mistral, Qwen3 and Gemma do not): take lora"
            )
        return private_copies(model, names)
