"""Scores of choices: log p(choice | context, text), summed over the choice's tokens."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inweights.models.batched_forward import read_tables
from inweights.models.queries import Queries
from inweights.models.token_model import TokenModel
from inweights.types import Query


def choice_scores(model: TokenModel, queries: Sequence[Query], batch_tokens: int = 8192) -> list[Float[Tensor, " choices"]]:
    """Of each query, in their order. Queries with the same context share its one encoding."""
    scores: dict[int, Tensor] = {}
    for count in dict.fromkeys(len(query.choices) for query in queries):  # a table has a row of one width for each query
        rows = [row for row, query in enumerate(queries) if len(query.choices) == count]
        sets = [[row for row in rows if queries[row].context == context] for context in _contexts(queries, rows)]
        asked = [model.tokenized([queries[row] for row in some]) for some in sets]
        tables = (
            token_log_probs_of_each(model, asked, batch_tokens) if count else [torch.zeros(len(some), 0, 1) for some in sets]
        )
        for some, table in zip(sets, tables, strict=True):
            scores.update(zip(some, table.sum(-1), strict=True))
    return [scores[row] for row in range(len(queries))]


def token_log_probs_of_each(
    model: TokenModel, asked: Sequence[Queries], batch_tokens: int
) -> list[Float[Tensor, "queries choices tokens"]]:
    """Log-probabilities of the choices' tokens for each set of queries; 0 after the end of the shorter choices."""
    longest = longest_word(asked)
    found = read_tables(model, asked, batch_tokens, lambda part, logits: (token_log_probs(part, logits, longest),))
    return [table for (table,) in found]


def logits_of_queries(
    model: TokenModel, asked: Sequence[Queries], batch_tokens: int
) -> list[Float[Tensor, "queries choices"]]:
    """Scores less a constant for each query: their softmax over the choices is that of the scores.

    Where every choice is one token, only the rows of the LM head for those tokens are multiplied, and nothing is
    normalised over the vocabulary.
    """
    tokens, longest = only_tokens(asked), longest_word(asked)

    def of_logits(part: Queries, logits: Tensor) -> tuple[Tensor]:
        return (word_logits(part, logits, tokens) if tokens else token_log_probs(part, logits, longest).sum(-1),)

    return [table for (table,) in read_tables(model, asked, batch_tokens, of_logits, tokens)]


def only_tokens(asked: Sequence[Queries]) -> tuple[int, ...] | None:
    """Every token that is a choice of these queries, ascending; None where a choice has several tokens."""
    words = {word for queries in asked for spelled in set(queries.words) for word in spelled}
    return tuple(sorted(word[0] for word in words)) if all(len(word) == 1 for word in words) else None


def word_logits(
    queries: Queries, logits: Float[Tensor, "queries rows"], tokens: Sequence[int]
) -> Float[Tensor, "queries choices"]:
    """Of choices of one token each, from logits at the rows `tokens`."""
    column = {token: index for index, token in enumerate(tokens)}
    columns = torch.tensor([[column[word[0]] for word in spelled] for spelled in queries.words])
    return logits.gather(1, columns.to(logits.device))


def token_log_probs(
    queries: Queries, logits: Float[Tensor, "reads vocabulary"], longest: int
) -> Float[Tensor, "queries choices tokens"]:
    """Of the choices, from the logits at every position read; 0 after the end of choices shorter than `longest`."""
    places, tokens = (each.to(logits.device) for each in _label_tokens(queries, longest))
    # Only the logits of label tokens and the normaliser of their positions, never all log-probabilities.
    found = logits[places, tokens.clamp_min(0)] - logits.logsumexp(-1)[places]
    return torch.where(tokens >= 0, found, 0.0)


def longest_word(asked: Sequence[Queries]) -> int:
    return max((len(word) for queries in asked for words in queries.words for word in words), default=1)


def _contexts(queries: Sequence[Query], rows: Sequence[int]) -> list[str]:
    return list(dict.fromkeys(queries[row].context for row in rows))


def _label_tokens(
    queries: Queries, longest: int
) -> tuple[Int[Tensor, "queries choices tokens"], Int[Tensor, "queries choices tokens"]]:
    """Which of the positions read predicts each token of each choice, and that token; -1 after a choice's end."""
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
