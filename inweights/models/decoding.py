"""Texts continued token by token behind one prefix, which stands once; each text keeps its own keys and values."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.attention_layout import laid_out, step_layout
from inweights.engine.kv_cache import KVCache
from inweights.engine.learned_prefix import virtual_token_count
from inweights.engine.switches import patches_on
from inweights.engine.trees import Behind, Prefix, Tree, prefix_of_each
from inweights.models.base import LanguageModel

Choose = Callable[[Float[Tensor, "texts vocabulary"]], list[int]]
"""The next token of every text."""


def greedy(logits: Float[Tensor, "texts vocabulary"]) -> list[int]:
    return logits.argmax(-1).tolist()


NUCLEUS = 1024
"""Maximum number of tokens of a nucleus: to sort a vocabulary of 262,144 for every token takes longer than the model."""


def sampling(temperature: float, generator: torch.Generator, top_p: float = 1.0) -> Choose:
    """Draws from a CPU's generator, so that a seed gives the same texts on every device.

    `top_p`: from the fewest likeliest tokens that hold this probability (Holtzman et al. 2019, arXiv 1904.09751).
    """

    def choose(logits: Tensor) -> list[int]:
        probabilities = (logits.cpu() / temperature).softmax(-1)
        if top_p >= 1:
            return torch.multinomial(probabilities, 1, generator=generator)[:, 0].tolist()
        likeliest, ids = probabilities.topk(min(NUCLEUS, probabilities.shape[-1]), -1)
        nucleus = likeliest * (likeliest.cumsum(-1) - likeliest < top_p)
        return ids.gather(1, torch.multinomial(nucleus, 1, generator=generator))[:, 0].tolist()

    return choose


@torch.no_grad()
def continued(
    model: LanguageModel,
    stems: Sequence[Sequence[int]],
    behind: Behind,
    most: int,
    ends: Collection[int],
    choose: Choose = greedy,
    seen: Callable[[int, int], None] | None = None,
) -> list[list[int]]:
    """What the model says behind each stem: up to `most` tokens, the first of `ends` included where one comes.

    `behind`: one prefix for all stems, or one for each; those behind the same one stand side by side.
    `seen`: told of every token as it comes, with the number of its text. A text ends early where its window is full.
    """
    said: list[list[int]] = [[] for _ in stems]
    if not stems or most < 1:
        return said
    going = list(range(len(stems)))
    own = sum(map(virtual_token_count, getattr(model, "patches", ())))  # the card leaves room for them
    before = prefix_of_each(behind, len(stems))
    fronts = [len(prefix.ids) - own if prefix else 0 for prefix in before]
    # What comes after the last token that fits is said as well, and not read.
    room = [min(most, model.card.max_tokens - front - len(stem) + 1) for front, stem in zip(fronts, stems, strict=True)]
    steps = _Steps(model, stems, before) if getattr(model, "packs", False) else _WholeTexts(model, stems, before)
    while True:
        tokens = choose(steps.logits())
        for text, token in zip(going, tokens, strict=True):
            said[text].append(token)
            if seen:
                seen(text, token)
        left = [i for i, text in enumerate(going) if tokens[i] not in ends and len(said[text]) < room[text]]
        if not left:
            return said
        going = [going[i] for i in left]
        steps.go_on(left, [tokens[i] for i in left])


def end_ids(model: LanguageModel, stop: str = "") -> frozenset[int]:
    """Tokens that end a text: the ends of text that tokenizer and model declare, and those with `stop` in them.

    By ids, never by what a token decodes to alone: in SentencePiece vocabularies a plain space decodes to nothing.
    """
    declared = getattr(getattr(model.module, "generation_config", None), "eos_token_id", None)
    tokenizer: Any = getattr(model, "tokenizer", None)
    ids = [*(declared if isinstance(declared, list) else [declared]), getattr(tokenizer, "eos_token_id", None)]
    found = frozenset(int(each) for each in ids if each is not None)
    return found | _ids_with(tokenizer, stop) if stop else found


@cache
def _ids_with(tokenizer: Any, stop: str) -> frozenset[int]:
    """Kept for each tokenizer: spelling out a vocabulary of 150,000 tokens takes a second."""
    return frozenset(token for token in range(len(tokenizer)) if stop in tokenizer.decode([token]))


class _WholeTexts:
    """Every text read anew for each token: for models whose attention is their own."""

    def __init__(self, model: LanguageModel, stems: Sequence[Sequence[int]], before: Sequence[Prefix | None]) -> None:
        self.model, self.texts, self.before = model, [tuple(stem) for stem in stems], list(before)

    def logits(self) -> Tensor:
        return self.model.next_token_logits([Tree(text) for text in self.texts], self.before)

    def go_on(self, left: Sequence[int], tokens: Sequence[int]) -> None:
        self.before = [self.before[i] for i in left]
        self.texts = [(*self.texts[i], token) for i, token in zip(left, tokens, strict=True)]


class _Steps:
    """One token of each text at a time; what came before it is not read again."""

    def __init__(self, model: LanguageModel, stems: Sequence[Sequence[int]], before: Sequence[Prefix | None]) -> None:
        self.model = cast(Any, model)
        trees = [Tree(tuple(stem)) for stem in stems]
        self.before, captured, self.first = self.model.stems_read(trees, before)
        self.past = KVCache.of(captured, [len(stem) for stem in stems])

    def logits(self) -> Tensor:
        return cast(Tensor, self.first)

    def go_on(self, left: Sequence[int], tokens: Sequence[int]) -> None:
        self.past.keep(left)
        self.before = [self.before[i] for i in left]
        device = next(self.model.module.parameters()).device
        layout = step_layout(self.past, self.before, device)
        fronts = [len(prefix.ids) if prefix else 0 for prefix in self.before]
        places = [front + length for front, length in zip(fronts, self.past.lengths, strict=True)]
        self.model.counter.tokens += len(tokens)
        with patches_on(self.model.patches), laid_out(layout):
            out = self.model.module(
                input_ids=torch.tensor([list(tokens)], device=device),
                position_ids=torch.tensor([places], device=device),
                use_cache=False,
            )
        self.first = out.logits[0].float()
        self.past.lengths = [length + 1 for length in self.past.lengths]
