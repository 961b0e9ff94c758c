"""Many sets of queries, each with its own context, in as few forward passes as memory allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from inweights.engine.trees import Prefix
from inweights.models.queries import Queries
from inweights.models.shared_beginnings import with_shared_beginnings
from inweights.models.token_model import TokenModel
from inweights.types import is_out_of_memory

OfLogits = Callable[[Queries, Tensor], tuple[Tensor, ...]]
"""Makes tensors with a row for each query out of the logits of some queries of one set."""
PREFIX_TOKENS = 1 << 14
"""Maximum number of tokens of all contexts in memory: several short contexts share a pass, long ones take turns."""
QueryIndex = tuple[int, int]
"""The number of a set of queries, and the number of a query in it."""


def read_tables(
    model: TokenModel,
    query_sets: Sequence[Queries],
    batch_tokens: int,
    of_logits: OfLogits,
    vocabulary: tuple[int, ...] | None = None,
) -> list[tuple[Tensor, ...]]:
    """For each set of queries the tensors of `of_logits`, with a row for each query, in order.

    A pass for which there is not enough memory is repeated in halves, and all later passes are no larger than that.
    `vocabulary`: the rows of the LM head that are needed.
    """
    rows = None if vocabulary is None else torch.tensor(vocabulary, device=model.device)
    maximum = tokens_at_once(batch_tokens, model.hidden_size, model.device.type)
    query_sets = with_shared_beginnings(query_sets)
    order: list[QueryIndex] = []
    made: list[tuple[Tensor, ...]] = []
    for group in _groups(query_sets):
        # By token ids and not by set: sets that were tokenised apart may have the same context.
        encoded = {
            ids: model.prefix(ids) if ids else None for ids in dict.fromkeys(query_sets[number].prefix for number in group)
        }
        # The encodings of a group live until its last pass, and are freed before those of the next group are made.
        prefixes = {number: encoded[query_sets[number].prefix] for number in group}
        pairs = [(number, row) for number in group for row in range(len(query_sets[number].trees))]
        lengths = [len(query_sets[number].trees[row]) for number, row in pairs]
        waiting = [sorted(pairs[i] for i in batch) for batch in batches_of(lengths, maximum)]
        while waiting:
            batch = waiting.pop(0)
            try:
                made += _pass(model, query_sets, batch, prefixes, rows, of_logits)
                order += batch
                continue
            except Exception as error:
                if not is_out_of_memory(error) or len(batch) == 1:
                    raise
            # Outside of the handler, which would keep the tensors of the failed pass alive.
            waiting = [part for whole in (batch, *waiting) for part in _parts(whole, len(batch) // 2)]
    # Passes are sorted by length; the rows go back to the order of the queries.
    places = {row: at for at, row in enumerate(order)}
    tables = [torch.cat(column) for column in zip(*made, strict=True)]
    return [
        tuple(table[[places[number, row] for row in range(len(queries.trees))]] for table in tables)
        for number, queries in enumerate(query_sets)
    ]


def _pass(
    model: TokenModel,
    query_sets: Sequence[Queries],
    batch: Sequence[QueryIndex],
    prefixes: Mapping[int, Prefix | None],
    rows: Tensor | None,
    of_logits: OfLogits,
) -> list[tuple[Tensor, ...]]:
    trees = [query_sets[number].trees[row] for number, row in batch]
    logits = model.next_token_logits(trees, [prefixes[number] for number, _ in batch], rows)
    # `batch` is sorted, so the queries of one set are neighbours, and so are the rows of their logits.
    numbers = list(dict.fromkeys(number for number, _ in batch))
    parts = [query_sets[number].at([row for n, row in batch if n == number]) for number in numbers]
    counts = [sum(len(tree.positions_read) for tree in part.trees) for part in parts]
    return [of_logits(*each) for each in zip(parts, logits.split(counts), strict=True)]


def _groups(query_sets: Sequence[Queries]) -> list[list[int]]:
    groups: list[list[int]] = []
    held = 0  # tokens of the contexts of the last group; a single long context may exceed the maximum
    for number, queries in enumerate(query_sets):
        if not groups or held + len(queries.prefix) > PREFIX_TOKENS:
            groups.append([])
            held = 0
        groups[-1].append(number)
        held += len(queries.prefix)
    return groups


def _parts(batch: list[QueryIndex], size: int) -> Iterator[list[QueryIndex]]:
    for start in range(0, len(batch), size):
        yield batch[start : start + size]


CACHED = 2048 * 768
"""Tokens times width of a pass on a CPU. With four times as many, a pass takes a tenth longer per token, because the
output of a layer is no longer in a cache when the next layer reads it (OPT-125M and Llama-110M shapes)."""


def tokens_at_once(maximum: int, width: int, device: str) -> int:
    """Tokens of a scoring pass: `maximum`, on a CPU no more than fit its caches."""
    return min(maximum, max(256, CACHED // width)) if device == "cpu" else maximum


def batches_of(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices of the sequences in batches, the longest first, so that a pass that is too large fails at once.

    A batch has up to `batch_tokens` tokens, where each sequence counts as much as the longest: attention may have to pad
    it. A longer sequence is a batch of its own.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        # In descending order the first sequence of a batch is its longest.
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
