"""What a student has taken over from its teacher, and what it has lost.

T is the model with the context in its prompt, B the model alone, S the model with what it has learned.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from inweights.context.qa_tokens import answers, text_of
from inweights.context.replay import ANSWER_TOKENS
from inweights.context.template import Template
from inweights.context.training_rows import Row
from inweights.learn_records import Recovered
from inweights.metrics import METRICS
from inweights.models.base import Backbone
from inweights.scoring.teacher_logprobs import concatenated

RESAMPLES = 2000
Numbers = np.ndarray[Any, np.dtype[np.float64]]
Statistic = Callable[[Any], Any]
"""Of the questions whose numbers are given; one row of numbers for each resample."""


def information_recovered(bare: Sequence[float], student: Sequence[float]) -> Recovered:
    """1 - sum KL(T || S) / sum KL(T || B), both in nats by question, over the same questions."""
    share = _information(bare, student)
    return _interval(share, len(bare)) if share else Recovered(None, questions=len(bare))


def gap_recovered(bare: Sequence[float], teacher: Sequence[float], student: Sequence[float]) -> Recovered:
    """(S - B) / (T - B) of means of anything by question, accuracy or log-probability.

    Paired bootstrap. None where the gap is below two standard errors of its own, or T is no better than B.
    """
    share = _gap(bare, teacher, student)
    return _interval(share, len(bare)) if share else Recovered(None, questions=len(bare))


def parting(
    kl: tuple[Sequence[float], Sequence[float]], scores: tuple[Sequence[float], Sequence[float], Sequence[float]]
) -> Recovered:
    """R_KL - R_free by a bootstrap that draws the same questions for both; None where either is undefined.

    `kl`: of B and S from T, in nats by question; `scores`: of B, T and S in the primary metric.
    """
    forced, free = _information(*kl), _gap(*scores)
    questions = len(kl[0])
    if forced is None or free is None:
        return Recovered(None, questions=questions)
    both = (forced, free)
    return _interval(lambda at: both[0](at) - both[1](at), questions)


def _information(bare: Sequence[float], student: Sequence[float]) -> Statistic | None:
    b, s = np.asarray(bare, float), np.asarray(student, float)
    minimum = 1e-3 * len(b)
    if b.sum() <= minimum:
        return None

    def share(at: Any) -> Numbers:
        """Not a number where a resample has nothing that could be recovered."""
        whole = b[at].sum(-1)
        return np.where(whole > minimum, 1 - s[at].sum(-1) / np.maximum(whole, minimum), np.nan)

    return share


def _gap(bare: Sequence[float], teacher: Sequence[float], student: Sequence[float]) -> Statistic | None:
    b, t, s = (np.asarray(each, float) for each in (bare, teacher, student))
    gap = t - b
    if len(gap) < 2 or gap.mean() <= 2 * gap.std(ddof=1) / np.sqrt(len(gap)) or gap.mean() <= 0:
        return None

    def share(at: Any) -> Numbers:
        below = gap[at].mean(-1)
        return np.where(below > 0, (s - b)[at].mean(-1) / np.where(below > 0, below, 1), np.nan)

    return share


def _interval(of: Statistic, questions: int) -> Recovered:
    rng = np.random.default_rng(0)
    values = np.array([of(rng.integers(0, questions, questions)) for _ in range(RESAMPLES)])
    low, high = np.nanquantile(values, [0.025, 0.975])
    return Recovered(float(of(np.arange(questions))), float(low), float(high), questions)


@torch.no_grad()
def base_kl(model: Backbone, rows: Sequence[Row]) -> float:
    """Mean KL(before || now) in nats per token, over prompts with the bare model's distributions."""
    total, tokens = 0.0, 0
    for row in rows:
        logits = model.next_token_logits([row.tree]).log_softmax(-1)
        each = concatenated([row.logprobs], logits.device).kl_to(logits)
        total, tokens = total + float(each.sum()), tokens + len(each)
    return total / max(1, tokens)


@torch.no_grad()
def contexts_read(model: Backbone, template: Template, rows: Sequence[Row]) -> float:
    """Agreement of the model's greedy answers with the bare model's, where other contexts stand in the prompt.

    Token F1 of the answers' words, or equality where an answer is one token: 1 where all answers are the same.
    """
    score = METRICS["exact-match" if template.answer_tokens == 1 else "token-f1"]
    # The bare model's answers end there as well: of one that goes on, its beginning would be compared with the whole.
    template = replace(template, answer_tokens=min(template.answer_tokens, ANSWER_TOKENS))
    scores: list[float] = []
    for row in rows:
        stems, before = _asked_and_answered(row)
        context = model.prefix(row.tree.stem) if row.tree.stem else None
        now = answers(model, template, context, stems)
        texts = [[text_of(model, template, each) for each in side] for side in (now, before)]
        scores += [score(*pair) if pair[1] else float(not pair[0]) for pair in zip(*texts, strict=True)]
    return sum(scores) / max(1, len(scores))


def _asked_and_answered(row: Row) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The questions of a conflicting row and the bare model's greedy answers to them, in tokens."""
    ends = [*row.firsts[1:], len(row.logprobs)]
    likeliest = row.logprobs.likeliest.tolist()
    bare = [tuple(likeliest[first:end]) for first, end in zip(row.firsts, ends, strict=True)]
    # A branch is a question with its answer but for the last token.
    stems = [branch[: len(branch) - len(answer) + 1] for branch, answer in zip(row.tree.branches, bare, strict=True)]
    return stems, bare
