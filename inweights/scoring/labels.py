"""score(y) = sum over t of log p(V(y)_t | context, pattern(x), V(y)_<t), for all examples and labels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inweights.models.base import LanguageModel
from inweights.scoring.batched_forward import read_tables
from inweights.scoring.queries import Queries, queries_of
from inweights.types import Example, Prompt

Asked = tuple[Sequence[Example], str]
"""Examples, and the context in front of them."""


def label_scores(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels"]:
    """Log-probability of every label word after every example; nats, fp32, on the model's device, differentiable."""
    return label_scores_of_each(model, prompt, [(examples, context)], batch_tokens=batch_tokens)[0]


def label_scores_of_each(
    model: LanguageModel, prompt: Prompt, asked: Sequence[Asked], *, batch_tokens: int = 8192
) -> list[Float[Tensor, "examples labels"]]:
    """The same for several sets of examples, each behind a context of its own, in as few passes as memory allows."""
    tables = _token_log_probs(model, prompt, asked, batch_tokens)
    return [table.sum(-1) for table in tables]


def label_token_log_probs(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels tokens"]:
    """The same token by token; 0 behind the end of words shorter than the longest."""
    return _token_log_probs(model, prompt, [(examples, context)], batch_tokens)[0]


def label_logits(
    model: LanguageModel, prompt: Prompt, asked: Sequence[Asked], *, batch_tokens: int = 8192
) -> list[Float[Tensor, "examples labels"]]:
    """Label scores less a constant for each example: their softmax over the labels is that of the scores.

    Where every word is one token no more of the LM head than their rows is multiplied, and nothing normalised.
    """
    queries = [queries_of(model, prompt, examples, context) for examples, context in asked]
    if not any(each.trees for each in queries):
        return [torch.zeros(0, len(prompt.labels)) for _ in queries]
    return logits_of_queries(model, queries, batch_tokens)


def logits_of_queries(
    model: LanguageModel, asked: Sequence[Queries], batch_tokens: int
) -> list[Float[Tensor, "examples labels"]]:
    """`label_logits` of what was tokenised before."""
    tokens, longest = only_tokens(asked), longest_word(asked)

    def of_logits(part: Queries, logits: Tensor) -> tuple[Tensor]:
        return (word_logits(part, logits, tokens) if tokens else token_log_probs(part, logits, longest).sum(-1),)

    return [table for (table,) in read_tables(model, asked, batch_tokens, of_logits, tokens)]


def only_tokens(asked: Sequence[Queries]) -> tuple[int, ...] | None:
    """Every token that is a label word of these queries, ascending; None where a word has several tokens."""
    words = {word for queries in asked for spelled in set(queries.words) for word in spelled}
    return tuple(sorted(word[0] for word in words)) if all(len(word) == 1 for word in words) else None


def word_logits(
    queries: Queries, logits: Float[Tensor, "examples rows"], tokens: Sequence[int]
) -> Float[Tensor, "examples labels"]:
    """Of label words of one token each, from logits at the rows `tokens`."""
    column = {token: index for index, token in enumerate(tokens)}
    columns = torch.tensor([[column[word[0]] for word in spelled] for spelled in queries.words])
    return logits.gather(1, columns.to(logits.device))


def token_log_probs(
    queries: Queries, logits: Float[Tensor, "reads vocabulary"], longest: int
) -> Float[Tensor, "examples labels tokens"]:
    """Of the label words, from the logits at every position read; 0 behind the end of words shorter than `longest`."""
    places, tokens = (each.to(logits.device) for each in _label_tokens(queries, longest))
    # Only the logits of label tokens and the normaliser of their positions, never all log-probabilities.
    found = logits[places, tokens.clamp_min(0)] - logits.logsumexp(-1)[places]
    return torch.where(tokens >= 0, found, 0.0)


def longest_word(asked: Sequence[Queries]) -> int:
    return max((len(word) for queries in asked for words in queries.words for word in words), default=1)


def _token_log_probs(model: LanguageModel, prompt: Prompt, asked: Sequence[Asked], batch_tokens: int) -> list[Tensor]:
    queries = [queries_of(model, prompt, examples, context) for examples, context in asked]
    if not any(each.trees for each in queries):
        return [torch.zeros(0, len(prompt.labels), 1) for _ in queries]
    longest = longest_word(queries)
    found = read_tables(model, queries, batch_tokens, lambda part, logits: (token_log_probs(part, logits, longest),))
    return [table for (table,) in found]


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
