"""Texts generated for queries: contexts are encoded once, and the new tokens become text."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from inweights.models.base import Backbone
from inweights.models.decoding import continued, end_ids
from inweights.models.language_model import Sampling
from inweights.models.next_token import chooser
from inweights.types import Query, UserError

AT_ONCE = 64
"""Number of texts that are continued together."""


@torch.no_grad()
def generated(model: Backbone, queries: Sequence[Query], max_new_tokens: int, settings: Sampling) -> list[str]:
    """An answer to each query. A context that several queries share is encoded once.

    All draws come from one stream of random numbers: a sampled answer depends on the other queries, a greedy one does not.
    """
    choose, answers = chooser(settings), [""] * len(queries)
    # Grouped by what is shared: the encoded context, and the tokens that end an answer.
    for context, suffix in dict.fromkeys((query.context, query.suffix) for query in queries):
        rows = [row for row, query in enumerate(queries) if (query.context, query.suffix) == (context, suffix)]
        tokens = model.tokenized([replace(queries[row], choices=()) for row in rows])
        if max(len(tokens.prefix) + len(tree) for tree in tokens.trees) >= model.card.max_tokens:
            raise UserError(f"a query leaves no room for an answer in the {model.card.max_tokens:,} tokens of the model")
        prefix = model.prefix(tokens.prefix) if tokens.prefix else None
        ends = end_ids(model, suffix)
        for start in range(0, len(rows), AT_ONCE):
            stems = [tree.stem for tree in tokens.trees[start : start + AT_ONCE]]
            outputs = continued(model, stems, prefix, max_new_tokens, ends, choose)
            for row, stem, new in zip(rows[start:], stems, outputs, strict=False):
                text = continuation(model, stem, new)
                # The last token may hold more than the suffix, such as a line break and a space.
                answers[row] = text.split(suffix)[0] if suffix else text
    return answers


def continuation(model: Backbone, stem: Sequence[int], tokens: Sequence[int]) -> str:
    """New tokens as text. They are decoded with the last tokens of the stem, because many tokenizers drop a space at the
    beginning of a text."""
    start = list(stem[-4:])
    return model.decode([*start, *tokens]).removeprefix(model.decode(start))
