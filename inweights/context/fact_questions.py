"""Questions about single facts of a text: for a phrase of the text a model writes the question, reads it back, and the
question is kept where the phrase comes out again, and only with the text (round-trip consistency, Alberti et al. 2019,
arXiv 1906.05416)."""

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

import torch

from inweights.context.answer_spans import Span, in_situ, openings
from inweights.context.fact_prompts import (
    TO_ANSWER,
    TO_ANSWER_ALONE,
    TO_ASK,
    before_answer,
    before_answer_alone,
    before_question,
)
from inweights.context.few_shot import Reader
from inweights.context.qa_tokens import Question
from inweights.context.question_checks import INFORMATION, REPEATED, ROUND_TRIP, form_of, same_answer, sifted
from inweights.context.questions import normal
from inweights.models.next_token import Choose, greedy, sampling

TEMPERATURE, TOP_P = 0.6, 0.9
QUESTION_TOKENS, ANSWER_TOKENS = 24, 12
SPARE = 3
"""Phrases that are tried for each question that is missing."""
GAIN = 0.5
"""Nats per token by which the text must raise the log-probability of the answer."""


@dataclass(frozen=True)
class Written:
    """Questions that passed every test, how many were written for them, and how many failed which test."""

    questions: tuple[Question, ...] = ()
    written: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Written") -> "Written":
        failed = Counter(self.failed) + Counter(other.failed)
        return Written(self.questions + other.questions, self.written + other.written, failed)

    @property
    def summary(self) -> str:
        """Such as `29 of 110 questions written passed; failed: 41 about something else, 40 not a question`."""
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in Counter(self.failed).most_common())
        return f"{len(self.questions):,} of {self.written:,} questions written passed" + (reasons and f"; failed: {reasons}")


def fact_questions(
    reader: Reader, spans: Sequence[Span], wanted: Mapping[int, int], seed: int, known: Collection[str] = ()
) -> Written:
    """Up to so many new questions as `wanted` says of each piece, each with the phrase as its answer."""
    rng = random.Random(f"facts {seed} {len(known)}")
    order = rng.sample(spans, len(spans))
    choose = sampling(TEMPERATURE, torch.Generator().manual_seed(rng.getrandbits(63)), TOP_P)
    found, seen = Written(), {normal(each) for each in known}
    for ask in (partial(_asked, reader, choose, rng), _in_situ):
        missing = Counter(wanted) - Counter(each.chunk for each in found.questions if each.chunk is not None)
        tried = ask(_some(order, missing))
        found += checked(reader, [(span, text) for span, text in tried if text], missing, seen)
    return found


def _some(spans: Sequence[Span], missing: Mapping[int, int]) -> list[Span]:
    """Of each piece some phrases for every question that is missing."""
    left = {chunk: SPARE * count for chunk, count in missing.items()}
    some = []
    for span in spans:
        if left.get(span.chunk, 0) > 0:
            left[span.chunk] -= 1
            some.append(span)
    return some


def _asked(reader: Reader, choose: Choose, rng: random.Random, spans: Sequence[Span]) -> list[tuple[Span, str]]:
    """Written after the examples, from a beginning that the answer asks for."""
    starts = [rng.choice(openings(span.phrase)) for span in spans]
    bodies = [f"{before_question(span)} {start}" for span, start in zip(spans, starts, strict=True)]
    texts = reader.lines(TO_ASK, bodies, QUESTION_TOKENS, choose)
    # A word that goes on is not the beginning that was given.
    whole = [start + text if text[:1] in (" ", "'", "?") else "" for start, text in zip(starts, texts, strict=True)]
    return list(zip(spans, whole, strict=True))


def _in_situ(spans: Sequence[Span]) -> list[tuple[Span, str]]:
    """The clause itself as a question, which takes no generation."""
    return [(span, in_situ(span)) for span in spans]


def checked(reader: Reader, pairs: Sequence[tuple[Span, str]], missing: Mapping[int, int], seen: set[str]) -> Written:
    """Those of the questions that pass, up to so many as are missing; new ones are added to `seen`."""

    def reason_of(pair: tuple[Span, str]) -> str:
        span, text = pair
        return form_of(text, span) or (REPEATED if normal(text) in seen else "")

    fit, failed = sifted(pairs, itemgetter(1), reason_of, seen)
    back = reader.lines(TO_ANSWER, [before_answer(*each) for each in fit], ANSWER_TOKENS, greedy)
    same = [each for each, answer in zip(fit, back, strict=True) if same_answer(answer, each[0].phrase)]
    informative = [each for each, gain in zip(same, _gains(reader, same), strict=True) if gain >= GAIN]
    failed.update({ROUND_TRIP: len(fit) - len(same), INFORMATION: len(same) - len(informative)})
    return Written(tuple(_up_to(missing, informative)), len(pairs), +failed)


def _gains(reader: Reader, pairs: Sequence[tuple[Span, str]]) -> list[float]:
    """How much more probable the text makes each answer, in nats per token."""
    phrases = [span.phrase for span, _ in pairs]
    with_text = reader.log_probs(TO_ANSWER, [before_answer(*each) for each in pairs], phrases)
    alone = reader.log_probs(TO_ANSWER_ALONE, [before_answer_alone(*each) for each in pairs], phrases)
    return [one - other for one, other in zip(with_text, alone, strict=True)]


def _up_to(missing: Mapping[int, int], pairs: Sequence[tuple[Span, str]]) -> list[Question]:
    left, questions = dict(missing), []
    for span, text in pairs:
        if left.get(span.chunk, 0) > 0:
            left[span.chunk] -= 1
            questions.append(Question(text, span.chunk, gold=span.phrase))
    return questions
