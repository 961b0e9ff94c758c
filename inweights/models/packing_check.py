"""Whether our attention can replace a model's own: measured on the model itself when it is loaded.

A list of architectures could not be kept true. An architecture that mixes tokens outside attention (convolutions, state
spaces) or adds a bias by position gives other outputs within a few tokens. One that differs only after many tokens is
recognised by its configuration.

In half precision, the same sums in another order give other outputs. So both ways are compared with fp32: there packing
has to compute the same function, and in half precision it has to stay about as close to fp32 as the model's own
attention does.
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
"""Settings of architectures whose tokens do not see all earlier tokens, and that do not tell attention so."""
TOLERANCE = 0.01
"""Largest difference in fp32, in standard deviations of the outputs; a missing term makes one of about 1."""
ROUNDING = 0.05
"""Packing may differ from fp32 by twice the root mean square difference of the model's own attention, and this."""
# Ordinary words: on structural tokens, which are hardly trained, half precision is off by more than a standard
# deviation, whatever the attention.
TEXTS = ("The old house near the river was sold", " to the doctor, who had", " waited for years", " and", " because", ".")


@torch.no_grad()
def packing_where_equal(model: Local) -> Local:
    """The same model, set to pack if that gives the outputs of whole padded prompts; its card says which and why."""
    module = cast(Any, model.module)
    settings = module.config.get_text_config()
    limit = next((name for name in FAR_BACK if getattr(settings, name, None)), None)
    if not module._supports_attention_backend or limit:
        return _whole(model, f"{limit} in its configuration" if limit else "its attention cannot be replaced")
    # The reference is measured before our attention is set: whole padded prompts, in fp32.
    own = module.config._attn_implementation
    whole = replace(model, packs=False)
    with _fp32(model):
        expected = _outputs(whole)
    allowed = TOLERANCE
    noise = _distance(_outputs(whole), expected) if module.dtype in HALF else 0.0
    register()
    module.set_attn_implementation(NAME)
    # The module is shared by both views, so that from here on even unpacked passes go through our function, which then
    # calls transformers' own (see `attend`).
    packed = replace(model, packs=True, card=replace(model.card, attention=PACKED))
    reason = ""
    # Some architectures pack, but their last block cannot be run for some tokens only.
    for tried in (packed, replace(packed, trims=False)) if isinstance(packed, CausalLM) else (packed,):
        try:
            with _fp32(model):
                largest = float((_outputs(tried) - expected).abs().max() / expected.std())
            rounding = _distance(_outputs(tried), expected) if module.dtype in HALF else 0.0
        except Exception as error:  # whatever fails in a foreign architecture, its own attention can still be used
            reason = reason or f"packing raises {type(error).__name__}"
            continue
        finally:
            model.counter.tokens = 0  # the check is not part of any measured phase
        # Written so that NaN passes the second test: where the model's own attention overflows in fp16, so may packing.
        if largest <= allowed and not rounding > 2 * noise + ROUNDING:
            return tried
        reason = (
            f"packed outputs differ by {largest:.2g} standard deviations in fp32"
            if not largest <= allowed
            else f"packed outputs are {rounding:.2g} standard deviations from fp32, those of its own attention {noise:.2g}"
        )
    module.set_attn_implementation(own)
    return _whole(model, reason)


def _whole(model: Local, reason: str) -> Local:
    abilities = model.card.abilities - {"prefix"}  # keys and values cannot precede whole prompts
    card = replace(model.card, attention=f"whole padded prompts ({reason})", abilities=abilities)
    return replace(model, packs=False, card=card)


def _fp32(model: Local) -> AbstractContextManager[None]:
    module = cast(Any, model.module)
    return in_single_precision(module, blocks_of(module)) if module.dtype in HALF else nullcontext()


def _distance(outputs: Tensor, expected: Tensor) -> float:
    """Root mean square difference in standard deviations."""
    return float((outputs - expected).square().mean().sqrt() / expected.std())


def _outputs(model: Local) -> Float[Tensor, "reads size"]:
    """Outputs that use every feature: a prefix, sequences of different lengths, branches, few positions read."""
    texts = [tuple(ids) for ids in model.encode(TEXTS)]
    if isinstance(model, Encoder):
        return model.summaries(texts[:3], "mean")
    first, second, third, *words = (ids[len(model.bos_ids) :] for ids in texts)
    prefix = model.prefix((*model.bos_ids, *first))
    branched = model.next_token_logits([Tree(second, tuple(words)), Tree((*model.bos_ids, *third))], prefix)
    # Read at so few tokens that the last block is run for only those.
    few = model.next_token_logits([Tree((*second, *third)), Tree((*model.bos_ids, *first))], [prefix, None])
    return torch.cat([branched, few])
