"""Many sets of queries, each with a context of its own, in as few passes as memory allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from inweights.engine.trees import Prefix
from inweights.models.queries import Queries
from inweights.models.token_model import TokenModel
from inweights.types import is_out_of_memory

OfLogits = Callable[[Queries, Tensor], tuple[Tensor, ...]]
"""Turns the logits of some queries into tensors with a row for each query."""
PREFIX_TOKENS = 1 << 14
"""Maximum tokens of all contexts in memory at once: several short ones share a pass, long ones take turns."""
Row = tuple[int, int]
"""Which of several sets of queries, and which query of it."""


def read_tables(
    model: TokenModel,
    asked: Sequence[Queries],
    batch_tokens: int,
    of_logits: OfLogits,
    vocabulary: tuple[int, ...] | None = None,
) -> list[tuple[Tensor, ...]]:
    """For each set of queries what `of_logits` makes of it, a row for each query in their order.

    `of_logits` sees the queries of one set that share a pass. A pass that memory has no room for is done again in
    halves, and so is all that follows. `vocabulary`: the rows of the LM head that are needed.
    """
    rows = None if vocabulary is None else torch.tensor(vocabulary, device=model.device)
    most = tokens_at_once(batch_tokens, model.hidden_size, model.device.type)
    order: list[Row] = []
    made: list[tuple[Tensor, ...]] = []
    for group in _groups(asked):
        # Sets that share a context share its prefix; by its ids, since equal sets may be tokenised apart.
        encoded = {
            ids: model.prefix(ids) if ids else None for ids in dict.fromkeys(asked[number].prefix for number in group)
        }
        prefixes = {number: encoded[asked[number].prefix] for number in group}
        pairs = [(number, row) for number in group for row in range(len(asked[number].trees))]
        lengths = [len(asked[number].trees[row]) for number, row in pairs]
        waiting = [sorted(pairs[i] for i in batch) for batch in batches_of(lengths, most)]
        while waiting:
            batch = waiting.pop(0)
            try:
                made += _pass(model, asked, batch, prefixes, rows, of_logits)
                order += batch
                continue
            except Exception as error:
                if not is_out_of_memory(error) or len(batch) == 1:
                    raise
            waiting = [part for each in (batch, *waiting) for part in _parts(each, len(batch) // 2)]
    places = {row: at for at, row in enumerate(order)}
    tables = [torch.cat(column) for column in zip(*made, strict=True)]
    return [
        tuple(table[[places[number, row] for row in range(len(queries.trees))]] for table in tables)
        for number, queries in enumerate(asked)
    ]


def _pass(
    model: TokenModel,
    asked: Sequence[Queries],
    batch: Sequence[Row],
    prefixes: Mapping[int, Prefix | None],
    rows: Tensor | None,
    of_logits: OfLogits,
) -> list[tuple[Tensor, ...]]:
    trees = [asked[number].trees[row] for number, row in batch]
    logits = model.next_token_logits(trees, [prefixes[number] for number, _ in batch], rows)
    numbers = list(dict.fromkeys(number for number, _ in batch))
    parts = [asked[number].at([row for n, row in batch if n == number]) for number in numbers]
    counts = [sum(len(tree.positions_read) for tree in part.trees) for part in parts]
    return [of_logits(*each) for each in zip(parts, logits.split(counts), strict=True)]


def _groups(asked: Sequence[Queries]) -> list[list[int]]:
    groups: list[list[int]] = []
    held = 0
    for number, queries in enumerate(asked):
        if not groups or held + len(queries.prefix) > PREFIX_TOKENS:
            groups.append([])
            held = 0
        groups[-1].append(number)
        held += len(queries.prefix)
    return groups


def _parts(batch: list[Row], most: int) -> Iterator[list[Row]]:
    for start in range(0, len(batch), most):
        yield batch[start : start + most]


CACHED = 2048 * 768
"""Tokens times width that a CPU is given at once: with four times as many a pass takes a tenth longer per token,
because what one layer gives is no longer in a cache when the next one reads it (OPT-125M and Llama-110M shapes)."""


def tokens_at_once(most: int, width: int, device: str) -> int:
    """Of a scoring pass: at most `most`, and on a CPU as few as its caches like."""
    return min(most, max(256, CACHED // width)) if device == "cpu" else most


def batches_of(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices in batches, longest first, so that a pass that is too large fails at once and not at the end.

    A batch has at most `batch_tokens` tokens, each sequence counted as long as the longest: attention may have to pad
    it. A sequence longer than that is a batch of its own.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        # Sorted downwards, the first of a batch is its longest.
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
