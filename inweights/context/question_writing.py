"""Questions about a piece of a context, written by a model that reads the piece, and the filter that they pass."""

import random
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import torch

from inweights.context.answer_spans import spans
from inweights.context.chunks import Chunk
from inweights.context.english import content_words, is_prose, stem
from inweights.context.fact_prompts import TO_ASK, before_question
from inweights.context.fact_questions import Written, fact_questions
from inweights.context.few_shot import FewShot, Reader
from inweights.context.free_form import free_texts
from inweights.context.free_questions import checked_by_sentence
from inweights.context.message_writing import messages
from inweights.context.qa_tokens import Question
from inweights.context.question_checks import FORM, REPEATED, WORDS
from inweights.context.questions import normal, usable
from inweights.context.template import Template
from inweights.models.base import Backbone
from inweights.models.next_token import sampling

TEMPERATURE, TOP_P = 0.7, 0.9
ATTEMPTS = 6
"""For each question wanted: of a small model's, about one in three passes."""
READ_BACK_ATTEMPTS = 1
"""Where questions are read back as well, of which a small model's hardly ever pass."""
ABOUT = 0.5
"""Share of a question's content words that the piece must have."""
_OPENINGS = frozenset(
    "what who whom whose where when why how which is are was were do does did can could will would should may must has have "
    "list name summarise summarize explain describe give tell show write compare".split()
)


def new_questions(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    wanted: Mapping[int, int],
    seed: int,
    known: Mapping[int, Sequence[str]],
) -> Written:
    """Up to so many new questions about each piece as `wanted` says; of all pieces at once where they are English prose."""
    reader, made, facts = FewShot(model), Written(), list[int]()
    if template.request == "message":
        for number, count in wanted.items():
            made += messages(reader, chunks[number].text, number, count, seed, known.get(number, ()))
    elif template.asks_questions:
        facts = [number for number in wanted if is_prose(chunks[number].text)]
        found = [span for number in facts for span in spans(chunks[number].text, number)]
        if found and reader.room(TO_ASK, [before_question(span) for span in found]):
            before = [text for number in facts for text in known.get(number, ())]
            made = fact_questions(reader, found, {number: wanted[number] for number in facts}, seed, before)
        else:
            facts = []
    for number, count in wanted.items():
        own = [each.text for each in made.questions if each.chunk == number]
        # What a base model writes without an example is seldom a question.
        if len(own) < count and not (number in facts and template.end):
            seen = [*known.get(number, ()), *own]
            reading = reader if number in facts else None
            made += written(model, template, chunks[number], number, count - len(own), seed, seen, reading)
    return made


@torch.no_grad()
def written(
    model: Backbone,
    template: Template,
    chunk: Chunk,
    number: int,
    count: int,
    seed: int,
    known: Collection[str] = (),
    reader: Reader | None = None,
) -> Written:
    """Up to `count` new questions about the piece in the model's own words.

    `reader`: reads each of them back, where the piece is English prose; else they are held to its words.
    """
    rng = random.Random(f"questions {seed} {chunk.digest} {len(known)}")
    choose = sampling(TEMPERATURE, torch.Generator().manual_seed(rng.getrandbits(63)), TOP_P)
    words, seen = content_words(chunk.text), {normal(each) for each in known}
    found = Written()
    for _ in range(READ_BACK_ATTEMPTS if reader else ATTEMPTS):
        missing = count - len(found.questions)
        if missing < 1:
            break
        texts = free_texts(model, template, chunk, missing, choose, rng)
        if reader:
            found += checked_by_sentence(reader, chunk.text, number, texts, {number: missing}, seen)
        else:
            found += _by_words(template, number, texts, words, missing, seen)
    return found


def _by_words(
    template: Template, number: int, texts: Sequence[str], words: Collection[str], missing: int, seen: set[str]
) -> Written:
    questions: list[Question] = []
    failed = Counter[str]()
    # What a base model writes is held to one word alone: it names less, and is not asked to write a question.
    share = 0.0 if template.end else ABOUT
    for text in texts:
        reason = "" if usable(text) else FORM
        reason = reason or ("" if template.request == "message" or about(text, words, share) else WORDS)
        reason = reason or (REPEATED if normal(text) in seen else "")
        failed[reason] += bool(reason)
        if not reason and len(questions) < missing:
            seen.add(normal(text))
            questions.append(Question(text, number))
    return Written(tuple(questions), len(texts), +failed)


def about(text: str, piece: Collection[str], share: float = ABOUT) -> bool:
    """Whether a text has the form of a question or a request, and one content word of the piece, or that share of them."""
    if not text.isascii():  # the lists of words are English
        return True
    first = re.match(r"\w*", text.lower())
    if not (text.endswith("?") or (first and first[0] in _OPENINGS)):
        return False
    own = content_words(text)
    return len(own & set(map(stem, piece))) >= max(1, share * len(own))
