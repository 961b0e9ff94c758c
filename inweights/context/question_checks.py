"""What a question that a model wrote must be, so that its answer is worth learning, and how many fell to which test."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from inweights.context.answer_spans import Span
from inweights.context.english import content_words, normalized, stem
from inweights.context.questions import normal, usable

T = TypeVar("T")
FORM = "not a question"
WORDS = "about something else"
GIVEN = "answer in the question"
UNNAMED = "about something without a name"
ROUND_TRIP = "another answer when read back"
INFORMATION = "same answer without the text"
REPEATED = "repeated"
_POINTING = re.compile(r"\b(?:it(?! takes?\b)|they|them|he|she|him|this|these|those)\b", re.I)
_UNITS = content_words("seconds minutes hours days weeks months years metres kilometres euros dollars percent degrees")


def sifted(
    items: Iterable[T], text_of: Callable[[T], str], reason_of: Callable[[T], str], seen: set[str]
) -> tuple[list[T], Counter[str]]:
    """Items against which there is no reason, whose texts are added to `seen` one by one, and how many fell to which."""
    failed: Counter[str] = Counter()
    fit = []
    for item in items:
        reason = reason_of(item)
        if reason:
            failed[reason] += 1
        else:
            seen.add(normal(text_of(item)))
            fit.append(item)
    return fit, failed


def form_of(question: str, span: Span) -> str:
    """The first test that a question for the span fails, by its words alone; "" where it passes.

    Its content words are those of the sentence and its title: small models write good questions about other things.
    """
    if not question.endswith("?") or question.count("?") > 1 or not 3 <= len(question.split()) <= 30 or not usable(question):
        return FORM
    if _POINTING.search(question):
        return UNNAMED
    if says(question, span.phrase):
        return GIVEN
    counted = re.search(r"\bhow many ([a-z]+)", question.lower())
    if counted and stem(counted[1]) not in map(stem, normalized(span.phrase).split()):
        return WORDS
    own, sentence = content_words(question), content_words(span.sentence)
    about = own - content_words(span.phrase)
    if "," in span.title and span.title in question:  # the title with its heading is not a name
        return WORDS
    return "" if about & sentence and own <= sentence | content_words(span.title) | _UNITS else WORDS


def says(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text as whole words, numbers in words or digits."""
    wanted = normalized(phrase)
    return bool(wanted) and f" {wanted} " in f" {normalized(text)} "


def same_answer(answer: str, phrase: str) -> bool:
    """Whether an answer read back has the phrase in it, or is a half of the phrase with all of its numbers."""
    said, wanted = normalized(answer), normalized(phrase)
    numbers = {word for word in wanted.split() if word[:1].isdigit()}
    part = f" {said} " in f" {wanted} " and 2 * len(said.split()) >= len(wanted.split()) and numbers <= set(said.split())
    return bool(said) and (says(answer, phrase) or part)
