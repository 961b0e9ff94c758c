"""score(y) = sum over t of log p(V(y)_t | context, pattern(x), V(y)_<t), for all examples and labels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.models.base import LanguageModel
from inweights.scoring.batches import batches_of
from inweights.scoring.queries import queries_of
from inweights.types import Example, Prompt


def label_scores(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels"]:
    """Log-probability of every label word after every example; nats, fp32, on the model's device."""
    return label_token_log_probs(model, prompt, examples, context, batch_tokens=batch_tokens).sum(-1)


def label_token_log_probs(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels tokens"]:
    """The same token by token; 0 behind the end of words shorter than the longest."""
    queries = queries_of(model, prompt, examples, context)
    prefix = model.prefix(queries.prefix) if queries.prefix else None
    longest = max((len(word) for words in queries.words for word in words), default=1)
    rows: list[Tensor | None] = [None] * len(examples)
    for batch in batches_of([len(tree) for tree in queries.trees], batch_tokens):
        trees = [queries.trees[i] for i in batch]
        logits = model.next_token_logits(trees, prefix)
        at, tokens = [], []
        start = 0
        for i, tree in zip(batch, trees, strict=True):
            branch = start + 1
            for word in queries.words[i]:
                # The first token is read at the stem's end, each later one at the one before it in the branch.
                places = [start, *range(branch, branch + len(word) - 1)]
                branch += len(word) - 1
                at += places + [start] * (longest - len(word))
                tokens += [*word, *[-1] * (longest - len(word))]
            start += len(tree.positions_read)
        read = torch.tensor(at, device=logits.device)
        token = torch.tensor(tokens, device=logits.device)
        # Only the logits of label tokens and the normaliser of their positions, never all log-probabilities.
        found = logits[read, token.clamp_min(0)] - logits.logsumexp(-1)[read]
        table = torch.where(token >= 0, found, 0.0).view(len(batch), -1, longest)
        for row, i in enumerate(batch):
            rows[i] = table[row]
    return torch.stack([row for row in rows if row is not None])
