"""Whether our attention can take the place of a model's own: asked of the model itself, once, when it is loaded.

No list of architectures could be kept true. One that mixes tokens outside attention (convolutions, state spaces), adds
a bias by position, or has no place for another attention shows it within a few tokens; one that shows it only further
back is told by its configuration.
"""

from dataclasses import replace
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.attention import NAME, register
from inweights.engine.trees import Tree
from inweights.models.causal import CausalLM
from inweights.models.encoder import Encoder

Model = TypeVar("Model", CausalLM, Encoder)

FAR_BACK = ("attention_chunk_size", "local_attention")
"""Settings of architectures that do not see their whole past, and do not tell attention so."""
TOLERANCE = {torch.float32: 0.01, torch.bfloat16: 0.2, torch.float16: 0.2}
"""Largest difference, in standard deviations of what is read; a term left out makes one of about 1."""


@torch.no_grad()
def packing_where_equal(model: Model) -> Model:
    """The same model, set to pack where that reads what whole padded prompts read."""
    module = cast(Any, model.module)
    settings = module.config.get_text_config()
    whole = replace(model, packs=False)
    if not module._supports_attention_backend or any(getattr(settings, name, None) for name in FAR_BACK):
        return whole
    own = module.config._attn_implementation
    expected = _read(whole)
    register()
    module.set_attn_implementation(NAME)
    packed = replace(model, packs=True)
    for tried in (packed, replace(packed, trims=False)) if isinstance(packed, CausalLM) else (packed,):
        try:
            difference = (_read(tried) - expected).abs().max()
            equal = bool(difference <= TOLERANCE[module.dtype] * expected.std())
        except Exception:  # whatever a foreign architecture trips over, its own attention still serves
            equal = False
        model.counter.tokens = 0
        if equal:
            return tried
    module.set_attn_implementation(own)
    return whole


def _read(model: CausalLM | Encoder) -> Float[Tensor, "reads size"]:
    """Something of everything: a prefix, several sequences of unlike length, branches."""
    if isinstance(model, Encoder):
        return model.summaries([(7, 4, 6, 8), (10, 5)], "mean")
    prefix = model.prefix((5, 3, 9))
    branched = model.next_token_logits([Tree((7, 4, 6, 8), ((3, 9), (5,))), Tree((10, 5))], prefix)
    # Read at so few tokens that the last block is run for them alone.
    few = model.next_token_logits([Tree((7, 4, 6, 8, 5, 3, 9)), Tree((10, 5, 4))], [prefix, None])
    return torch.cat([branched, few])
