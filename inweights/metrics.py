"""Metrics of an answer, from 0 to 1 for each example; one table for all tasks, scored or generated."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from inweights.types import UserError

Metric = Literal["accuracy", "mcc", "exact-match", "contained", "token-f1", "rouge-l"]
Score = Callable[[str, str], float]
"""Of an answer against the gold text."""


def accuracy(answer: str, gold: str) -> float:
    """1 where the answer equals the gold text exactly: for answers that are one of the choices."""
    return float(answer == gold)


def exact_match(answer: str, gold: str) -> float:
    """1 where both are equal up to case, punctuation, articles and spacing (Rajpurkar et al. 2016, section 6.1)."""
    return float(_compared(answer) == _compared(gold))


def contained(answer: str, gold: str) -> float:
    """1 where the normalised answer contains the normalised gold text as whole words; 0 for an empty gold text.

    For models that answer in sentences: "It holds 3.2 litres of water." contains "3.2 litres".
    """
    words = _compared(gold)
    return float(bool(words) and f" {words} " in f" {_compared(answer)} ")


def token_f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall of the normalised words (Rajpurkar et al. 2016, section 6.1)."""
    words, expected = _compared(answer).split(), _compared(gold).split()
    if not words or not expected:
        return float(words == expected)
    common = sum((Counter(words) & Counter(expected)).values())
    return 2 * common / (len(words) + len(expected))


def rouge_l(answer: str, gold: str) -> float:
    """F1 of the longest common subsequence of lower-case words and numbers (Lin 2004; as rouge_score without stemming)."""
    words, expected = (re.findall(r"[a-z0-9]+", text.lower()) for text in (answer, gold))
    if not words or not expected:
        return 0.0
    length = _longest_common_subsequence(words, expected)
    return 2 * length / (len(words) + len(expected))


METRICS: dict[str, Score] = {
    "accuracy": accuracy,
    # Matthews' coefficient is a statistic of a whole set; what it is computed from are the same zeros and ones.
    "mcc": accuracy,
    "exact-match": exact_match,
    "contained": contained,
    "token-f1": token_f1,
    "rouge-l": rouge_l,
}


def metric_named(name: str) -> Score:
    """Raises UserError that lists the metrics there are."""
    if name not in METRICS:
        raise UserError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
    return METRICS[name]


def normalized(text: str) -> str:
    """Lower case, without articles and punctuation except points inside numbers, with single spaces."""
    plain = re.sub(r"(?<!\d)[.,](?!\d)|(?<=\d)[.,](?!\d)|(?<!\d)[.,](?=\d)|[^\w\s.,]", "", text.lower())
    return " ".join(word for word in plain.split() if word not in ("a", "an", "the"))


def _compared(text: str) -> str:
    """The normalised text, in which 1,200 and 1200 are the same number."""
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", normalized(text))


def _longest_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for place, against in enumerate(other, 1):
            before, row[place] = row[place], before + 1 if word == against else max(row[place], row[place - 1])
    return row[-1]
