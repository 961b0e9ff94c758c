"""Decoding: texts continued token by token, after prefixes that are kept once; each text has a KV cache of its own."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from inweights.engine.current_layout import laid_out
from inweights.engine.kv_cache import KVCache
from inweights.engine.layouts import step_layout
from inweights.engine.learned_prefix import virtual_token_count
from inweights.engine.switches import patches_on
from inweights.engine.trees import Prefix, Prefixes, Tree, prefix_of_each
from inweights.models.base import Backbone
from inweights.models.language_model import Sampling
from inweights.models.next_token import Choose, chooser, greedy
from inweights.types import Query, UserError

AT_ONCE = 64
"""Texts that are continued together."""


@torch.no_grad()
def generated(model: Backbone, queries: Sequence[Query], max_new_tokens: int, settings: Sampling) -> list[str]:
    """An answer to each query; queries with the same context share its one encoding.

    Texts are continued `AT_ONCE` at a time. A sampled answer depends on the queries before it, a greedy one on none.
    """
    choose, answers = chooser(settings), [""] * len(queries)
    for context, suffix in dict.fromkeys((query.context, query.suffix) for query in queries):
        rows = [row for row, query in enumerate(queries) if (query.context, query.suffix) == (context, suffix)]
        asked = model.tokenized([replace(queries[row], choices=()) for row in rows])
        if max(len(asked.prefix) + len(tree) for tree in asked.trees) >= model.card.max_tokens:
            raise UserError(f"a query leaves no room for an answer in the {model.card.max_tokens:,} tokens of the model")
        prefix = model.prefix(asked.prefix) if asked.prefix else None
        ends = end_ids(model, suffix)
        for start in range(0, len(rows), AT_ONCE):
            stems = [tree.stem for tree in asked.trees[start : start + AT_ONCE]]
            tokens = continued(model, stems, prefix, max_new_tokens, ends, choose)
            for row, stem, new in zip(rows[start:], stems, tokens, strict=False):
                text = continuation(model, stem, new)
                answers[row] = text.split(suffix)[0] if suffix else text
    return answers


def continuation(model: Backbone, stem: Sequence[int], tokens: Sequence[int]) -> str:
    """New tokens as text. Decoded after the stem's last tokens: many tokenizers drop the space that a text begins with."""
    start = list(stem[-4:])
    return model.decode([*start, *tokens]).removeprefix(model.decode(start))


@torch.no_grad()
def continued(
    model: Backbone,
    stems: Sequence[Sequence[int]],
    behind: Prefixes,
    most: int,
    ends: Collection[int],
    choose: Choose = greedy,
    seen: Callable[[int, int], None] | None = None,
) -> list[list[int]]:
    """The model's continuation of each stem: up to `most` tokens, with the first of `ends` where one comes.

    `behind`: one prefix for all stems, or one for each; stems with the same one stand side by side.
    `seen(text, token)` is called for every token as it comes. A text ends early where the context window is full.
    """
    outputs: list[list[int]] = [[] for _ in stems]
    if not stems or most < 1:
        return outputs
    going = list(range(len(stems)))
    own = sum(map(virtual_token_count, model.patches))  # the card leaves room for them
    before = prefix_of_each(behind, len(stems))
    fixed = [len(prefix.ids) - own if prefix else 0 for prefix in before]
    # The token after the last one that fits is given, too: it does not have to be read.
    room = [min(most, model.card.max_tokens - taken - len(stem) + 1) for taken, stem in zip(fixed, stems, strict=True)]
    steps = _Steps(model, stems, before) if model.packs else _WholeTexts(model, stems, before)
    while True:
        tokens = choose(steps.logits())
        for text, token in zip(going, tokens, strict=True):
            outputs[text].append(token)
            if seen:
                seen(text, token)
        left = [i for i, text in enumerate(going) if tokens[i] not in ends and len(outputs[text]) < room[text]]
        if not left:
            return outputs
        going = [going[i] for i in left]
        steps.go_on(left, [tokens[i] for i in left])


def end_ids(model: Backbone, stop: str = "") -> frozenset[int]:
    """Tokens that end a text: the ends of text that tokenizer and model declare, and tokens whose text contains `stop`.

    By ids, never by what a token decodes to alone: in SentencePiece vocabularies a plain space decodes to nothing.
    """
    found = model.end_of_text_ids
    return found | _ids_with(model.tokenizer, stop) if stop else found


@cache
def _ids_with(tokenizer: Any, stop: str) -> frozenset[int]:
    """Kept for each tokenizer: spelling out a vocabulary of 150,000 tokens takes a second."""
    return frozenset(token for token in range(len(tokenizer)) if stop in tokenizer.decode([token]))


class _WholeTexts:
    """Reads every text again for each token: for models that keep their own attention."""

    def __init__(self, model: Backbone, stems: Sequence[Sequence[int]], before: Sequence[Prefix | None]) -> None:
        self.model, self.texts, self.before = model, [tuple(stem) for stem in stems], list(before)

    def logits(self) -> Tensor:
        return self.model.next_token_logits([Tree(text) for text in self.texts], self.before)

    def go_on(self, left: Sequence[int], tokens: Sequence[int]) -> None:
        self.before = [self.before[i] for i in left]
        self.texts = [(*self.texts[i], token) for i, token in zip(left, tokens, strict=True)]


class _Steps:
    """Reads one token of each text at a time, with a KV cache."""

    def __init__(self, model: Backbone, stems: Sequence[Sequence[int]], before: Sequence[Prefix | None]) -> None:
        self.model = model
        trees = [Tree(tuple(stem)) for stem in stems]
        self.before, captured, self.first = self.model.read_stems(trees, before)
        self.past = KVCache.of(captured, [len(stem) for stem in stems])

    def logits(self) -> Tensor:
        return self.first

    def go_on(self, left: Sequence[int], tokens: Sequence[int]) -> None:
        self.past.keep(left)
        self.before = [self.before[i] for i in left]
        device = self.model.device
        layout = step_layout(self.past, self.before, device)
        starts = [len(prefix.ids) if prefix else 0 for prefix in self.before]
        places = [start + length for start, length in zip(starts, self.past.lengths, strict=True)]
        self.model.counter.tokens += len(tokens)
        with patches_on(self.model.patches), laid_out(layout):
            out = self.model.module(
                input_ids=torch.tensor([list(tokens)], device=device),
                position_ids=torch.tensor([places], device=device),
                use_cache=False,
            )
        self.first = out.logits[0].float()
        self.past.lengths = [length + 1 for length in self.past.lengths]
