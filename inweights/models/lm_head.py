"""The LM head apart from the model that it ends, for losses that never hold the logits of all positions at once."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.products import fast_products
from inweights.engine.trees import Tree
from inweights.models.base import Backbone

Head = Callable[[Float[Tensor, "reads hidden"]], Float[Tensor, "reads vocabulary"]]
TOLERANCE = 1e-4
"""Of the logits' standard deviation: what rounding may differ by between two orders of the same sums."""


@torch.no_grad()
def head_of(model: Backbone) -> Head | None:
    """From last hidden states to logits, fp32; None where the architecture does more to them than its head and a soft cap.

    Architectures scale and cap logits in their own ways, which no list keeps up with: the outputs of one short text are
    compared.
    """
    layer = model.output_embeddings
    if layer is None:
        return None
    weight = next(layer.parameters())
    cap = model.config.to_dict().get("final_logit_softcapping")  # Gemma 2's

    def head(hidden: Tensor) -> Tensor:
        with fast_products(layer):
            logits: Tensor = layer(hidden.to(weight.dtype))
        return (torch.tanh(logits / cap) * cap if cap else logits).float()

    trees = [Tree(tuple(range(4, 4 + min(8, model.vocabulary_size - 4))))]
    own, found = model.next_token_logits(trees), head(model.hidden_states(trees))
    return head if bool(((own - found).abs() <= TOLERANCE * own.std()).all()) else None
