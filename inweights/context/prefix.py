"""A key/value prefix that begins as keys and values of the context's own text (a cartridge, arXiv 2506.06266)."""

import random
from collections.abc import Sequence

import torch
from torch import nn

from inweights.engine.learned_prefix import LearnedPrefix
from inweights.models.base import Backbone
from inweights.plain_text import as_data
from inweights.types import UserError
from inweights.updates import Adapted
from inweights.updates.prefix import check_takes_prefix

PIECE = 16
"""Tokens that are taken from one place of the context."""


def prefix_begun(model: Backbone, texts: Sequence[str], tokens: int, seed: int) -> Adapted:
    """`tokens` positions: what begins every text, then pieces of the context in their order, drawn at equal distances.

    Begun as random vectors a prefix ends where hardly anything is learnt (29.9 against 55.3 on LongHealth, Eyuboglu et
    al. 2025, table 2); pieces from all over the context do better than its beginning (arXiv 2508.17032). The first
    position, which most heads rest on, never changes. Raises UserError where the model has no place for a prefix.
    """
    check_takes_prefix(model, "a prefix")
    ids = pieces_of(model, texts, tokens, seed)
    with torch.no_grad():
        found = model.prefix(ids)
    return prefix_of([key.float() for key in found.keys], [value.float() for value in found.values], model)


def prefix_of(keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor], model: Backbone) -> Adapted:
    """The model behind those keys and values, kv_heads x tokens x size for each block; all but the first token learn."""
    parameters = {}
    for block, (key, value) in enumerate(zip(keys, values, strict=True)):
        parameters[f"prefix.{block}.key"] = nn.Parameter(key[:, 1:].clone())
        parameters[f"prefix.{block}.value"] = nn.Parameter(value[:, 1:].clone())
    front = LearnedPrefix(
        tuple(parameters[f"prefix.{block}.key"] for block in range(len(keys))),
        tuple(parameters[f"prefix.{block}.value"] for block in range(len(keys))),
        sink=tuple((key[:, :1].clone(), value[:, :1].clone()) for key, value in zip(keys, values, strict=True)),
    )
    return Adapted(model.patched(front), parameters)


def pieces_of(model: Backbone, texts: Sequence[str], tokens: int, seed: int) -> list[int]:
    """Token ids of a text of `tokens` tokens, made of pieces of these."""
    if tokens < 2:
        raise UserError(f"a prefix has at least 2 tokens, the first of which is fixed, not {tokens}")
    start = model.encode([""])[0]
    whole = [token for ids in model.encode([as_data(text) for text in texts]) for token in ids[len(start) :]]
    room = tokens - max(1, len(start))
    first = start or whole[:1]
    if len(whole) <= room:
        raise UserError(f"a prefix of {tokens} tokens is no smaller than the context, which has {len(whole)}: lower --size")
    rng, count = random.Random(f"pieces {seed}"), max(1, room // PIECE)
    sizes = [room // count + (number < room % count) for number in range(count)]
    found = list(first[-1:] if not start else first)
    for number, size in enumerate(sizes):
        low, high = number * len(whole) // count, (number + 1) * len(whole) // count
        at = low + rng.randrange(max(1, high - low - size + 1))
        found += whole[at : at + size]
    return found[:tokens]
