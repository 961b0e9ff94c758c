"""Whether our attention can take the place of a model's own: measured on the model itself, once, when it is loaded.

No list of architectures could be kept true. One that mixes tokens outside attention (convolutions, state spaces), adds
a bias by position, or has no place for another attention shows it within a few tokens; one that shows it only further
back is recognised by its configuration.

Two models in half precision that do the same sums in another order differ, so both ways are measured against fp32:
packing has to compute the same function there, and in half precision has to stay about as close to it as the model's
own attention does.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.attention import NAME, register
from inweights.engine.trees import Tree
from inweights.models.architecture import blocks_of
from inweights.models.card import PACKED
from inweights.models.causal import CausalLM
from inweights.models.encoder import Encoder
from inweights.models.single_precision import HALF, in_single_precision

Local = CausalLM | Encoder

FAR_BACK = ("attention_chunk_size", "local_attention")
"""Settings of architectures that do not see their whole past, and do not pass this on to attention."""
TOLERANCE = 0.01
"""Largest difference in fp32, in standard deviations of the outputs; a missing term makes one of about 1."""
ROUNDING = 0.05
"""Root mean square difference from fp32 that half precision may add to twice that of the model's own attention."""
# Ordinary words: on structural tokens, which are hardly trained, half precision is over a standard deviation off.
TEXTS = ("The old house near the river was sold", " to the doctor, who had", " waited for years", " and", " because", ".")


@torch.no_grad()
def packing_where_equal(model: Local) -> Local:
    """The same model, set to pack where that gives what whole padded prompts give; its card says which and why."""
    module = cast(Any, model.module)
    settings = module.config.get_text_config()
    limit = next((name for name in FAR_BACK if getattr(settings, name, None)), None)
    if not module._supports_attention_backend or limit:
        return _whole(model, f"{limit} in its configuration" if limit else "its attention has no place for another one")
    own = module.config._attn_implementation
    whole = replace(model, packs=False)
    with _fp32(model):
        expected = _outputs(whole)
    allowed = TOLERANCE
    noise = _distance(_outputs(whole), expected) if module.dtype in HALF else 0.0
    register()
    module.set_attn_implementation(NAME)
    packed = replace(model, packs=True, card=replace(model.card, attention=PACKED))
    reason = ""
    for tried in (packed, replace(packed, trims=False)) if isinstance(packed, CausalLM) else (packed,):
        try:
            with _fp32(model):
                largest = float((_outputs(tried) - expected).abs().max() / expected.std())
            rounding = _distance(_outputs(tried), expected) if module.dtype in HALF else 0.0
        except Exception as error:  # whatever a foreign architecture trips over, its own attention still serves
            reason = reason or f"packing raises {type(error).__name__}"
            continue
        finally:
            model.counter.tokens = 0
        # Where the model's own attention overflows in fp16, packing can be no worse.
        if largest <= allowed and not rounding > 2 * noise + ROUNDING:
            return tried
        reason = (
            f"packed outputs differ by {largest:.2g} standard deviations in fp32"
            if not largest <= allowed
            else f"packed outputs are {rounding:.2g} standard deviations from fp32, its own {noise:.2g}"
        )
    module.set_attn_implementation(own)
    return _whole(model, reason)


def _whole(model: Local, reason: str) -> Local:
    abilities = model.card.abilities - {"prefix"}  # nothing can stand in front of whole prompts but tokens
    card = replace(model.card, attention=f"whole padded prompts ({reason})", abilities=abilities)
    return replace(model, packs=False, card=card)


def _fp32(model: Local) -> AbstractContextManager[None]:
    module = cast(Any, model.module)
    return in_single_precision(module, blocks_of(module)) if module.dtype in HALF else nullcontext()


def _distance(outputs: Tensor, expected: Tensor) -> float:
    """Root mean square difference in standard deviations."""
    return float((outputs - expected).square().mean().sqrt() / expected.std())


def _outputs(model: Local) -> Float[Tensor, "reads size"]:
    """Something of everything: a prefix, several sequences of different lengths, branches."""
    texts = [tuple(ids) for ids in model.encode(TEXTS)]
    if isinstance(model, Encoder):
        return model.summaries(texts[:3], "mean")
    first, second, third, *words = (ids[len(model.front) :] for ids in texts)
    prefix = model.prefix((*model.front, *first))
    branched = model.next_token_logits([Tree(second, tuple(words)), Tree((*model.front, *third))], prefix)
    # Read at so few tokens that the last block is run for them alone.
    few = model.next_token_logits([Tree((*second, *third)), Tree((*model.front, *first))], [prefix, None])
    return torch.cat([branched, few])
