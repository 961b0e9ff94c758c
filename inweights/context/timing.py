"""How long a system takes for one query at a time, and what a request holds in memory."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from inweights.context.qa_tokens import Question
from inweights.context.systems import System
from inweights.context.template import Template
from inweights.engine.learned_prefix import virtual_token_count
from inweights.engine.trees import Prefix
from inweights.models.base import Backbone
from inweights.models.decoding import continued
from inweights.types import Latency, Query

TIMED = 8
"""Queries that are timed, one at a time."""
TIMED_TOKENS = 16
"""Of every answer that is timed, whatever its text: else the system with the longest answers would be the slowest."""


@dataclass(frozen=True)
class Timed:
    """Over queries one at a time, with answers of equal length."""

    seconds: Latency
    """Of a whole answer."""
    first_token: Latency
    context_tokens: int
    """Whose keys and values a request holds, a learned prefix's included."""


@torch.no_grad()
def timed(system: System, template: Template, questions: Sequence[Question]) -> Timed:
    """As a user waits for it. A cold context is encoded for every query, a warm one before the clock starts."""
    whole, first, tokens = [], [], []
    held = sum(map(virtual_token_count, system.model.patches))
    count = min(TIMED_TOKENS, template.answer_tokens)
    for question in questions[:TIMED]:
        query = system.query(template, question)
        encoded = _encoded(system.model, query) if system.warm else None
        started = time.perf_counter()
        prefix, stem = encoded or _encoded(system.model, query)
        came: list[float] = []
        continued(system.model, [stem], prefix, count, (), seen=lambda *_, came=came: came.append(time.perf_counter()))
        whole.append(time.perf_counter() - started)
        first.append(came[0] - started)
        tokens.append(len(prefix.ids) if prefix else held)
    return Timed(_latency(whole), _latency(first), round(median(tokens)))


def _encoded(model: Backbone, query: Query) -> tuple[Prefix | None, tuple[int, ...]]:
    """The context's keys and values, and the question's tokens after it."""
    tokens = model.tokenized([query])
    return (model.prefix(tokens.prefix) if tokens.prefix else None), tokens.trees[0].stem


def _latency(seconds: Sequence[float]) -> Latency:
    return Latency(median(seconds), float(np.quantile(seconds, 0.95)), len(seconds))


def kv_bytes_per_token(model: Backbone) -> int:
    """Of keys and values in all layers, in the model's dtype."""
    like = model.prefix(model.encode(["a"])[0])
    tables = [*like.keys, *like.values]
    return sum(each.shape[0] * each.shape[2] * each.element_size() for each in tables)
