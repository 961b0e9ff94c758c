"""How many tokens a model can read at once, from its configuration and its tokenizer."""

from collections.abc import Iterator, Mapping
from typing import Any

from inweights.models.encoder import first_position
from inweights.models.families import FAMILIES, family_of


def context_window(config: Any, tokenizer: Any) -> int:
    """The context window. The tokenizer's limit counts only for encoders, where it is the length of training texts."""
    settings = config.get_text_config()
    limits = [getattr(settings, key, None) for key in ("max_position_embeddings", "n_positions", "seq_length")]
    known = [int(limit) - first_position(config) for limit in limits if limit]
    known += _fixed_rope_lengths(settings)
    generates = "text" in FAMILIES[family_of(config)].abilities
    if (not generates or not known) and tokenizer.model_max_length < 10**9:
        known.append(int(tokenizer.model_max_length))
    return min(known) if known else 10**9  # no limit is known, as in state space models


def _fixed_rope_lengths(settings: Any) -> Iterator[int]:
    """Lengths beyond which rotary frequencies depend on the longest sequence of a pass (LongRoPE, dynamic NTK).

    Beyond them a score would depend on its batch and on where a prefix is cut, so no longer text is read. Up to them the
    frequencies are those of the model's first training.
    """
    found = getattr(settings, "rope_parameters", None) or {}
    for rope in [found] if "rope_type" in found else [each for each in found.values() if isinstance(each, Mapping)]:
        if rope.get("rope_type") in ("longrope", "dynamic"):
            original = rope.get("original_max_position_embeddings")
            length = original or getattr(settings, "original_max_position_embeddings", None)
            yield int(length or settings.max_position_embeddings)
