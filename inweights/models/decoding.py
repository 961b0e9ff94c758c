"""Decoding: texts are continued token by token. Prefixes are kept once, and each text has its own KV cache."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from inweights.engine.current_layout import laid_out
from inweights.engine.kv_cache import KVCache
from inweights.engine.layouts import step_layout
from inweights.engine.learned_prefix import virtual_token_count
from inweights.engine.products import fast_products
from inweights.engine.switches import patches_on
from inweights.engine.trees import Prefix, Prefixes, Tree, prefix_of_each
from inweights.models.base import Backbone
from inweights.models.next_token import Choose, greedy


@torch.no_grad()
def continued(
    model: Backbone,
    stems: Sequence[Sequence[int]],
    prefixes: Prefixes,
    max_new_tokens: int,
    ends: Collection[int],
    choose: Choose = greedy,
    seen: Callable[[int, int], None] | None = None,
) -> list[list[int]]:
    """The model's continuation of each stem: up to `max_new_tokens` tokens, or up to and with the first of `ends`.

    `prefixes`: one for all stems, or one for each; stems with the same prefix stand side by side. `seen(text, token)` is
    called for every new token. A text also ends where the context window is full.
    """
    outputs: list[list[int]] = [[] for _ in stems]  # in the order of the stems, however many have ended
    if not stems or max_new_tokens < 1:
        return outputs
    going = list(range(len(stems)))
    by_stem = prefix_of_each(prefixes, len(stems))
    # A learned prefix is not counted: the card's `max_tokens` is what it leaves.
    virtual = sum(map(virtual_token_count, model.patches))
    fixed = [len(prefix.ids) - virtual if prefix else 0 for prefix in by_stem]
    # One token more than fits the window: the last token is only predicted and never read.
    free = [model.card.max_tokens - taken - len(stem) + 1 for taken, stem in zip(fixed, stems, strict=True)]
    room = [min(max_new_tokens, left) for left in free]
    steps = _Steps(model, stems, by_stem) if model.packs else _WholeTexts(model, stems, by_stem)
    while True:
        tokens = choose(steps.logits())
        for text, token in zip(going, tokens, strict=True):
            outputs[text].append(token)
            if seen:
                seen(text, token)
        # Indices into `going`, the texts that are still in the cache, which shrinks as texts end.
        left = [i for i, text in enumerate(going) if tokens[i] not in ends and len(outputs[text]) < room[text]]
        if not left:
            return outputs
        going = [going[i] for i in left]
        steps.go_on(left, [tokens[i] for i in left])


def end_ids(model: Backbone, stop: str = "") -> frozenset[int]:
    """Tokens that end a text: the ends of text that tokenizer and model declare, and tokens whose text contains `stop`.

    An end of text is known by its id and not by decoding to nothing: in SentencePiece vocabularies a space does, too.
    """
    declared = model.end_of_text_ids
    return declared | _ids_with(model.tokenizer, stop) if stop else declared


@cache
def _ids_with(tokenizer: Any, stop: str) -> frozenset[int]:
    """Cached for each tokenizer: decoding a vocabulary of 150,000 tokens takes a second."""
    return frozenset(token for token in range(len(tokenizer)) if stop in tokenizer.decode([token]))


class _WholeTexts:
    """Reads every text again for each new token: for models that keep their own attention."""

    def __init__(self, model: Backbone, stems: Sequence[Sequence[int]], prefixes: Sequence[Prefix | None]) -> None:
        self.model, self.texts, self.prefixes = model, [tuple(stem) for stem in stems], list(prefixes)

    def logits(self) -> Tensor:
        return self.model.next_token_logits([Tree(text) for text in self.texts], self.prefixes)

    def go_on(self, left: Sequence[int], tokens: Sequence[int]) -> None:
        self.prefixes = [self.prefixes[i] for i in left]
        self.texts = [(*self.texts[i], token) for i, token in zip(left, tokens, strict=True)]


class _Steps:
    """Reads one token of each text at a time, with a KV cache."""

    def __init__(self, model: Backbone, stems: Sequence[Sequence[int]], prefixes: Sequence[Prefix | None]) -> None:
        self.model = model
        trees = [Tree(tuple(stem)) for stem in stems]
        # `read_stems` gives each stem its learned prefix, too, if there is one.
        self.prefixes, captured, self.next = self.model.read_stems(trees, prefixes)
        self.cache = KVCache.of(captured, [len(stem) for stem in stems])

    def logits(self) -> Tensor:
        return self.next

    def go_on(self, left: Sequence[int], tokens: Sequence[int]) -> None:
        self.cache.keep(left)
        self.prefixes = [self.prefixes[i] for i in left]
        device = self.model.device
        layout = step_layout(self.cache, self.prefixes, device)
        starts = [len(prefix.ids) if prefix else 0 for prefix in self.prefixes]
        places = [start + length for start, length in zip(starts, self.cache.lengths, strict=True)]
        self.model.counter.tokens += len(tokens)
        with patches_on(self.model.patches), laid_out(layout), fast_products(self.model.module):
            out = self.model.module(
                # One row with one token of each text: the layout says which text each belongs to.
                input_ids=torch.tensor([list(tokens)], device=device),
                position_ids=torch.tensor([places], device=device),
                use_cache=False,  # transformers' own cache: ours is in the layout
            )
        self.next = out.logits[0].float()
        # Only now: every layer has written its keys and values at the old lengths.
        self.cache.lengths = [length + 1 for length in self.cache.lengths]
