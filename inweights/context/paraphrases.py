"""The user's questions in other words, by a pattern of examples; each is kept where it has the same answer."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import torch

from inweights.context.answer_spans import Span, titled_sentences
from inweights.context.chunks import Chunk
from inweights.context.conversation import turns
from inweights.context.english import content_words
from inweights.context.fact_prompts import TO_ANSWER, before_answer
from inweights.context.fact_questions import ANSWER_TOKENS, QUESTION_TOKENS, Written
from inweights.context.few_shot import Reader
from inweights.context.qa_tokens import Question
from inweights.context.question_checks import FORM, GIVEN, REPEATED, ROUND_TRIP, same_answer, says, sifted
from inweights.context.questions import normal, usable
from inweights.models.next_token import greedy, sampling
from inweights.plain_text import as_data

EACH = 2
"""Paraphrases of a question: SmolLM2-135M learned more of a manual from three wordings of each fact than from one."""
ATTEMPTS = 2
TEMPERATURE, TOP_P = 0.8, 0.9
EXAMPLES = (
    ("How long is Lake Elvar?", "What is the length of Lake Elvar?"),
    ("Who wrote the book about the harbour of Norby?", "By whom was the book about Norby's harbour written?"),
    ("What does a late book cost a day?", "How much do I pay for each day that a book is late?"),
    ("Where did Anna Berg open her bakery?", "In which city was the bakery of Anna Berg opened?"),
    ("Which light blinks when the lamp is hot?", "The lamp is hot. What colour is the light that blinks?"),
)
TO_REWORD = "".join(f"Question: {one}\nIn other words: {other}\n\n" for one, other in EXAMPLES)


def paraphrases(
    reader: Reader, questions: Sequence[Question], chunks: Sequence[Chunk], count: int, seed: int, each: int = EACH
) -> Written:
    """Up to `count` in all and `each` of every question, as the same question in other words; those with a history are
    left out. What is compared is the answer from the sentence that the question shares most words with."""
    rng = random.Random(f"paraphrases {seed} {len(questions)}")
    choose = sampling(TEMPERATURE, torch.Generator().manual_seed(rng.getrandbits(63)), TOP_P)
    single = [question for question in questions if len(turns(question.text)) == 1]
    sources = [(question, _span(question, chunks)) for question in rng.sample(single, len(single))]
    if not reader.room(TO_ANSWER, [before_answer(span, question.text) for question, span in sources]):
        return Written()
    wanted = _answers(reader, [(span, question.text) for question, span in sources])
    found, seen, made = Written(), {normal(question.text) for question in questions}, Counter[str]()
    for _ in range(each * ATTEMPTS):
        tried = [(one, answer) for one, answer in zip(sources, wanted, strict=True) if answer and made[one[0].text] < each]
        tried = tried[: max(0, count - len(found.questions))]
        bodies = [f"Question: {as_data(question.text)}\nIn other words:" for (question, _), _ in tried]
        texts = [text.strip() for text in reader.lines(TO_REWORD, bodies, QUESTION_TOKENS, choose)]
        new = _checked(reader, [(*one, answer, text) for (one, answer), text in zip(tried, texts, strict=True)], seen, made)
        found += new
    return found


def _checked(
    reader: Reader, tried: Sequence[tuple[Question, Span, str, str]], seen: set[str], made: Counter[str]
) -> Written:

    def reason_of(one: tuple[Question, Span, str, str]) -> str:
        question, _, answer, text = one
        if not usable(text) or text.endswith("?") != question.text.endswith("?"):
            return FORM
        return REPEATED if normal(text) in seen else GIVEN if says(text, answer) else ""

    fit, failed = sifted(tried, itemgetter(3), reason_of, seen)
    back = _answers(reader, [(span, text) for _, span, _, text in fit])
    kept = [each for each, output in zip(fit, back, strict=True) if same_answer(output, each[2])]
    failed[ROUND_TRIP] += len(fit) - len(kept)
    made.update(question.text for question, *_ in kept)
    questions = tuple(replace(question, text=text) for question, _, _, text in kept)
    return Written(questions, len(tried), +failed)


def _answers(reader: Reader, pairs: Sequence[tuple[Span, str]]) -> list[str]:
    return reader.lines(TO_ANSWER, [before_answer(*pair) for pair in pairs], ANSWER_TOKENS, greedy)


def _span(question: Question, chunks: Sequence[Chunk]) -> Span:
    """The sentence of the question's piece that shares most words with it and its answer."""
    number = question.chunk or 0
    words = content_words(f"{question.text} {question.gold}")
    sentences = titled_sentences(chunks[number].text) or [("", chunks[number].text)]
    return Span(number, *max(sentences, key=lambda each: len(words & content_words(each[1]))), question.gold)
