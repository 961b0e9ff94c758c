"""What a student has taken over from its teacher, and what it has lost: numbers that need no judge.

T is the model behind the context, B the model alone, S the model with what it has learnt.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from inweights.context.qa_tokens import Question, answers, text_of
from inweights.context.template import Template
from inweights.context.training_rows import Row
from inweights.engine.trees import Prefix
from inweights.models.base import LanguageModel
from inweights.scoring.completions import Completion, read_completions
from inweights.scoring.shared_prefix import common
from inweights.scoring.teacher_logprobs import concatenated

RESAMPLES = 2000
Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Recovered:
    """A share with its 95 % interval by a bootstrap over questions; None where T and B are too near to tell."""

    value: float | None
    low: float | None = None
    high: float | None = None
    questions: int = 0


def information_recovered(bare: Sequence[float], student: Sequence[float]) -> Recovered:
    """1 - sum KL(T || S) / sum KL(T || B), both in nats by question, over the same questions."""
    b, s = np.asarray(bare, float), np.asarray(student, float)
    least = 1e-3 * len(b)
    if b.sum() <= least:
        return Recovered(None, questions=len(b))

    def share(at: Any) -> Numbers:
        """Not a number where a resample has nothing that could be recovered."""
        whole = b[at].sum(-1)
        return np.where(whole > least, 1 - s[at].sum(-1) / np.maximum(whole, least), np.nan)

    return _interval(share, len(b))


def gap_recovered(bare: Sequence[float], teacher: Sequence[float], student: Sequence[float]) -> Recovered:
    """(S - B) / (T - B) of means of anything by question, accuracy or negative NLL.

    Paired bootstrap. None where the gap is below two standard errors of its own, or T is no better than B.
    """
    b, t, s = (np.asarray(each, float) for each in (bare, teacher, student))
    gap = t - b
    if len(gap) < 2 or gap.mean() <= 2 * gap.std(ddof=1) / np.sqrt(len(gap)) or gap.mean() <= 0:
        return Recovered(None, questions=len(gap))

    def share(at: Any) -> Numbers:
        below = gap[at].mean(-1)
        return np.where(below > 0, (s - b)[at].mean(-1) / np.where(below > 0, below, 1), np.nan)

    return _interval(share, len(gap))


def _interval(of: Callable[[Any], Any], questions: int) -> Recovered:
    rng = np.random.default_rng(0)
    values = np.array([of(rng.integers(0, questions, questions)) for _ in range(RESAMPLES)])
    low, high = np.nanquantile(values, [0.025, 0.975])
    return Recovered(float(of(np.arange(questions))), float(low), float(high), questions)


def exact_match(said: str, gold: str) -> bool:
    """Equal but for case, punctuation, articles and spacing (Rajpurkar et al. 2016)."""
    return _plain(said) == _plain(gold)


def _plain(text: str) -> str:
    words = re.sub(r"[^\w\s]", "", text.lower()).split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))


@dataclass(frozen=True)
class Said:
    """How one system answered some questions."""

    texts: tuple[str, ...]
    gold_nll: tuple[float, ...]
    """Of the right answer, nats per token; nan where none is known."""

    def right(self, questions: Sequence[Question]) -> list[float]:
        return [float(exact_match(text, each.gold)) for text, each in zip(self.texts, questions, strict=True)]


@torch.no_grad()
def said(
    model: LanguageModel,
    template: Template,
    prefix: Prefix | None,
    stems: Sequence[tuple[int, ...]],
    questions: Sequence[Question],
) -> Said:
    """The system's greedy answers, and what it thinks of the right ones. `stems`: as it reads the questions."""
    texts = tuple(text_of(model, template, each) for each in answers(model, template, prefix, stems))
    known = [number for number, each in enumerate(questions) if each.gold]
    gold = [_gold_tokens(model, template, questions[number]) for number in known]
    pairs = [Completion(stems[number], tokens) for number, tokens in zip(known, gold, strict=True)]

    def of(numbers: Sequence[int], rows: Sequence[torch.Tensor]) -> list[float]:
        found = []
        for number, row in zip(numbers, rows, strict=True):
            ids = torch.tensor(pairs[number].completion_ids, device=row.device)
            found.append(float(-row.log_softmax(-1).gather(1, ids[:, None]).mean()))
        return found

    nll = dict(zip(known, read_completions(model, prefix, pairs, of, 8192), strict=True)) if pairs else {}
    return Said(texts, tuple(nll.get(number, float("nan")) for number in range(len(questions))))


def _gold_tokens(model: LanguageModel, template: Template, question: Question) -> tuple[int, ...]:
    """As behind the question: what the right answer adds to its tokens."""
    bare = template.bare(question.text)
    space = "" if bare[-1:].isspace() else " "
    alone, whole = model.encode([bare, bare + space + question.gold])
    return tuple(whole[common(alone, whole) :])


@torch.no_grad()
def base_kl(model: LanguageModel, rows: Sequence[Row]) -> float:
    """Mean KL(before || now) in nats per token, over prompts with what the model said of them before."""
    total, tokens = 0.0, 0
    for row in rows:
        logits = model.next_token_logits([row.tree]).log_softmax(-1)
        each = concatenated([row.told], logits.device).kl_to(logits)
        total, tokens = total + float(each.sum()), tokens + len(each)
    return total / max(1, tokens)


@torch.no_grad()
def in_context_retention(model: LanguageModel, rows: Sequence[Row]) -> float:
    """Share of contexts' questions whose first answer token is still what the bare model said behind that context."""
    same = asked = 0
    for row in rows:
        logits = model.next_token_logits([row.tree])
        firsts = row.firsts or tuple(range(len(logits)))
        same += int((logits.argmax(-1).cpu() == row.told.likeliest)[list(firsts)].sum())
        asked += len(firsts)
    return same / max(1, asked)
