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
    """The scores of each query, in order. A context that several queries share is encoded once."""
    scores: dict[int, Tensor] = {}
    # A table of scores has one width, so queries are grouped by their number of choices, and then by context.
    for count in dict.fromkeys(len(query.choices) for query in queries):
        rows = [row for row, query in enumerate(queries) if len(query.choices) == count]
        sets = [[row for row in rows if queries[row].context == context] for context in _contexts(queries, rows)]
        query_sets = [model.tokenized([queries[row] for row in some]) for some in sets]
        tables = (
            token_log_probs_of_each(model, query_sets, batch_tokens)
            if count
            else [torch.zeros(len(some), 0, 1) for some in sets]
        )
        for some, table in zip(sets, tables, strict=True):
            scores.update(zip(some, table.sum(-1), strict=True))
    return [scores[row] for row in range(len(queries))]


def token_log_probs_of_each(
    model: TokenModel, query_sets: Sequence[Queries], batch_tokens: int
) -> list[Float[Tensor, "queries choices tokens"]]:
    """Log-probabilities of the choices' tokens for each set of queries; 0 after the end of the shorter choices."""
    longest = longest_word(query_sets)
    found = read_tables(model, query_sets, batch_tokens, lambda part, logits: (token_log_probs(part, logits, longest),))
    return [table for (table,) in found]


def logits_of_queries(
    model: TokenModel, query_sets: Sequence[Queries], batch_tokens: int
) -> list[Float[Tensor, "queries choices"]]:
    """Scores up to a constant for each query, so that their softmax over the choices is that of the scores.

    Where every choice is one token, only the rows of the LM head for those tokens are multiplied, and nothing is
    normalised over the vocabulary.
    """
    # `tokens` is None as soon as one choice of one set has several tokens: all sets share passes and one narrowed head.
    tokens, longest = only_tokens(query_sets), longest_word(query_sets)

    def of_logits(part: Queries, logits: Tensor) -> tuple[Tensor]:
        return (word_logits(part, logits, tokens) if tokens else token_log_probs(part, logits, longest).sum(-1),)

    return [table for (table,) in read_tables(model, query_sets, batch_tokens, of_logits, tokens)]


def only_tokens(query_sets: Sequence[Queries]) -> tuple[int, ...] | None:
    """Every token that is a choice of these queries, ascending; None where a choice has several tokens."""
    # Queries mostly share their choices, so that the set of distinct ones is small.
    words = {word for queries in query_sets for spelled in set(queries.words) for word in spelled}
    return tuple(sorted(word[0] for word in words)) if all(len(word) == 1 for word in words) else None


def word_logits(
    queries: Queries, logits: Float[Tensor, "queries rows"], tokens: Sequence[int]
) -> Float[Tensor, "queries choices"]:
    """The logits of choices of one token each, from logits over the vocabulary `tokens` alone."""
    # The LM head was narrowed to `tokens`, so a logit is found by the place of its token in them.
    column = {token: index for index, token in enumerate(tokens)}
    columns = torch.tensor([[column[word[0]] for word in spelled] for spelled in queries.words])
    return logits.gather(1, columns.to(logits.device))


def token_log_probs(
    queries: Queries, logits: Float[Tensor, "reads vocabulary"], longest: int
) -> Float[Tensor, "queries choices tokens"]:
    """Log-probabilities of the choices' tokens, from the logits at every position read.

    0 after the end of choices shorter than `longest`, so that a sum over the tokens is the score of the choice.
    """
    places, tokens = (table.to(logits.device) for table in _label_tokens(queries, longest))
    # One logit per label token, less the log-sum-exp of its position: a log-softmax would write the whole vocabulary.
    log_probs = logits[places, tokens.clamp_min(0)] - logits.logsumexp(-1)[places]
    return torch.where(tokens >= 0, log_probs, 0.0)


def longest_word(query_sets: Sequence[Queries]) -> int:
    return max((len(word) for queries in query_sets for words in queries.words for word in words), default=1)


def _contexts(queries: Sequence[Query], rows: Sequence[int]) -> list[str]:
    return list(dict.fromkeys(queries[row].context for row in rows))


def _label_tokens(
    queries: Queries, longest: int
) -> tuple[Int[Tensor, "queries choices tokens"], Int[Tensor, "queries choices tokens"]]:
    """For each token of each choice the row of logits that predicts it, and its id; -1 after the end of a choice."""
    places: list[int] = []
    tokens: list[int] = []
    start = 0
    for tree, words in zip(queries.trees, queries.words, strict=True):
        branch = start + 1
        for word in words:
            # Rows of logits come tree by tree: the stem's end, then every position of every branch. The first token of a
            # word is predicted at the stem's end, which all words share, and each later one at the token before it.
            places += [start, *range(branch, branch + len(word) - 1)] + [start] * (longest - len(word))
            tokens += [*word] + [-1] * (longest - len(word))
            branch += len(word) - 1
        start += len(tree.positions_read)
    shape = (len(queries.trees), -1, longest)
    return torch.tensor(places).view(shape), torch.tensor(tokens).view(shape)
