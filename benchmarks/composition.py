"""Several learnt prefixes in front of one question, end to end, their keys turned to where they come to stand."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.context.prefix import prefix_of
from inweights.context.train import LearnedContext
from inweights.engine.learned_prefix import LearnedPrefix
from inweights.engine.trees import Prefix
from inweights.models.base import Backbone
from inweights.types import UserError


def composed(base: Backbone, learned: Sequence[LearnedContext]) -> LearnedContext:
    """The model behind all prefixes in turn; the first position of all but the first, which begins a text, is left out.

    No prefix was trained beside another: what is lost by that has to be measured. Raises UserError where one is no
    prefix, or where keys know their position otherwise than by rotation.
    """
    parts = [_prefix(each, base) for each in learned]
    keys, values = list(parts[0].keys), list(parts[0].values)
    for part in parts[1:]:
        by = keys[0].shape[1] - 1
        keys = [torch.cat([key, moved(base, own[:, 1:], by)], 1) for key, own in zip(keys, part.keys, strict=True)]
        values = [torch.cat([value, own[:, 1:]], 1) for value, own in zip(values, part.values, strict=True)]
    return LearnedContext(
        prefix_of([key.detach() for key in keys], [value.detach() for value in values], base), learned[0].front
    )


@torch.no_grad()
def moved(model: Backbone, keys: Float[Tensor, "kv_heads tokens head_dim"], by: int) -> Tensor:
    """Keys as they would be, had their tokens stood `by` positions later.

    Keys are kept after their rotation (Su et al. 2021, arXiv 2104.09864), and rotations add up. Where an architecture
    rotates the first part of a key, that is what turns.
    """
    rotary = _rotary(model)
    if rotary is None:
        raise UserError(
            f"{model.card.architecture} does not tell positions by rotating keys, so that they cannot be moved: "
            "learn the contexts together"
        )
    return _turned(rotary, keys, by)


def _turned(rotary: Any, keys: Float[Tensor, "kv_heads tokens head_dim"], by: int) -> Tensor:
    place = torch.tensor([[by]], device=keys.device)
    cos, sin = (each[0, 0].float() for each in rotary(keys[:1].float(), place))
    # Some scale what they rotate (YaRN), and keys were scaled once already.
    scale = float(vars(rotary).get("attention_scaling", 1.0))
    size = cos.shape[-1]
    if size > keys.shape[-1]:
        raise ValueError(f"a rotation of {size} numbers for keys of {keys.shape[-1]}")
    turned, rest = keys[..., :size].float(), keys[..., size:]
    other = torch.cat([-turned[..., size // 2 :], turned[..., : size // 2]], -1)
    return torch.cat([((turned * cos + other * sin) / scale).to(keys.dtype), rest], -1)


def _rotary(model: Backbone) -> Any:
    """The module that gives cosines and sines for all layers alike; None where there is none, or several."""
    found = [each for name, each in model.module.named_modules() if name.rpartition(".")[2] == "rotary_emb"]
    kinds = model.config.to_dict().get("layer_types") or ()
    if len(found) != 1 or "sliding_attention" in kinds or not _turns_halves(model, found[0]):
        return None
    return found[0]


def _turns_halves(model: Backbone, rotary: Any) -> bool:
    """Whether keys come out as ours do when a token is read one position later: some architectures pair neighbours."""
    token = model.encode(["a"])[0][-1]
    keys = model.prefix([token, token]).keys[0]
    try:
        turned = _turned(rotary, keys[:, :1], 1)
    except (TypeError, ValueError):  # it wants other arguments
        return False
    return bool(torch.allclose(turned.float(), keys[:, 1:].float(), atol=1e-3, rtol=1e-3))


def _prefix(learned: LearnedContext, base: Backbone) -> Prefix:
    fronts = [patch for patch in learned.model.patches if isinstance(patch, LearnedPrefix)]
    if len(fronts) != 1:
        raise UserError("a LoRA has no positions to be put behind: only key/value prefixes are composed (`--as kv`)")
    return fronts[0].prefix(base.module)
