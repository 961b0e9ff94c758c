"""score(y) = sum over t of log p(V(y)_t | context, pattern(x), V(y)_<t), for all examples and labels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.models.choice_scores import logits_of_queries, token_log_probs_of_each
from inweights.models.queries import Queries
from inweights.models.token_model import TokenModel
from inweights.types import Example, Prompt

ExamplesInContext = tuple[Sequence[Example], str]
"""Examples, and the context that precedes each of them."""


def queries_of(model: TokenModel, prompt: Prompt, examples: Sequence[Example], context: str = "") -> Queries:
    """The examples as tokenised queries whose choices are the label words."""
    return model.tokenized([prompt.query(example, context) for example in examples])


def label_scores(
    model: TokenModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Float[Tensor, "examples labels"]:
    """Log-probability of every label word after every example; nats, fp32, on the model's device, differentiable."""
    return label_scores_of_each(model, prompt, [(examples, context)], batch_tokens=batch_tokens)[0]


def label_scores_of_each(
    model: TokenModel, prompt: Prompt, sets: Sequence[ExamplesInContext], *, batch_tokens: int = 8192
) -> list[Float[Tensor, "examples labels"]]:
    """The same for several sets of examples, each with its own context, in as few passes as memory allows."""
    queries = [queries_of(model, prompt, examples, context) for examples, context in sets]
    if not any(each.trees for each in queries):
        return [torch.zeros(0, len(prompt.labels)) for _ in queries]
    return [table.sum(-1) for table in token_log_probs_of_each(model, queries, batch_tokens)]


def label_logits(
    model: TokenModel, prompt: Prompt, sets: Sequence[ExamplesInContext], *, batch_tokens: int = 8192
) -> list[Float[Tensor, "examples labels"]]:
    """Label scores up to a constant for each example, so that their softmax over the labels is that of the scores."""
    queries = [queries_of(model, prompt, examples, context) for examples, context in sets]
    if not any(each.trees for each in queries):  # no example at all: there is nothing to run a model on
        return [torch.zeros(0, len(prompt.labels)) for _ in queries]
    return logits_of_queries(model, queries, batch_tokens)
