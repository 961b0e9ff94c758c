"""score(y) = sum over t of log p(V(y)_t | context, pattern(x), V(y)_<t), for all examples and labels."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inweights.models.base import LanguageModel
from inweights.scoring.batches import batches_of
from inweights.scoring.queries import Queries, queries_of
from inweights.types import Example, Prompt


def label_scores(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels"]:
    """Log-probability of every label word after every example; nats, fp32, on the model's device, differentiable."""
    return label_token_log_probs(model, prompt, examples, context, batch_tokens=batch_tokens).sum(-1)


def label_token_log_probs(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels tokens"]:
    """The same token by token; 0 behind the end of words shorter than the longest."""
    if not examples:
        return torch.zeros(0, len(prompt.labels), 1)
    return word_log_probs(model, queries_of(model, prompt, examples, context), batch_tokens=batch_tokens)


def word_log_probs(
    model: LanguageModel, queries: Queries, *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels tokens"]:
    """The same for examples that were tokenised before, as a training loop does once."""

    # Only the logits of label tokens and the normaliser of their positions, never all log-probabilities.
    def log_probs(logits: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        found = logits[places, tokens.clamp_min(0)] - logits.logsumexp(-1)[places]
        return torch.where(tokens >= 0, found, 0.0)

    return _read(model, queries, batch_tokens, log_probs)


def _read(
    model: LanguageModel, queries: Queries, batch_tokens: int, of_logits: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """What `of_logits` makes of logits and the places and tokens of the label words in them, in the queries' order."""
    prefix = model.prefix(queries.prefix) if queries.prefix else None
    longest = max(len(word) for words in queries.words for word in words)
    batches = batches_of([len(tree) for tree in queries.trees], batch_tokens)
    tables = []
    for batch in batches:
        part = queries.at(batch)
        logits = model.next_token_logits(part.trees, prefix)
        places, tokens = _label_tokens(part, longest)
        tables.append(of_logits(logits, places.to(logits.device), tokens.to(logits.device)))
    order = torch.tensor([index for batch in batches for index in batch]).argsort()
    return torch.cat(tables)[order.to(tables[0].device)]


def _label_tokens(
    queries: Queries, longest: int
) -> tuple[Int[Tensor, "examples labels tokens"], Int[Tensor, "examples labels tokens"]]:
    """Which of the positions read says each token of each label word, and that token; -1 behind a word's end."""
    places: list[int] = []
    tokens: list[int] = []
    start = 0
    for tree, words in zip(queries.trees, queries.words, strict=True):
        branch = start + 1
        for word in words:
            # The first token is read at the stem's end, each later one at the one before it in the branch.
            places += [start, *range(branch, branch + len(word) - 1)] + [start] * (longest - len(word))
            tokens += [*word] + [-1] * (longest - len(word))
            branch += len(word) - 1
        start += len(tree.positions_read)
    shape = (len(queries.trees), -1, longest)
    return torch.tensor(places).view(shape), torch.tensor(tokens).view(shape)
