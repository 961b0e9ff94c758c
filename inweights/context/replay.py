"""Prompts a student is held to its own self on, so that learning one context does not cost it the reading of others.

Neutral ones are texts the model writes from nothing. Conflicting ones are the context's own pieces, changed, in front
of the very questions that are learnt: with answers exchanged, or with words exchanged between sentences, so that they
say something new, and perhaps with some sentences gone. There the prompt is to be believed, not the weights.
"""

import math
import random
import re
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from inweights.context.chunks import Chunk
from inweights.context.memory import reading_tokens
from inweights.context.qa_tokens import QuestionTokens, TeacherAnswer, answers, question_tokens, text_of
from inweights.context.template import Template
from inweights.context.training_rows import Row, row_of
from inweights.engine.trees import Tree
from inweights.models.base import Backbone
from inweights.models.decoding import continued
from inweights.models.next_token import sampling
from inweights.scoring.completions import Completion, teacher_logprobs
from inweights.scoring.teacher_logprobs import TOP_K, TeacherLogprobs, TopK, concatenated

QUESTIONS = 4
"""Behind one conflicting context: each is a branch of one tree, so that the context is read once for all of them."""
WINDOW = (64, 256)
"""Tokens of a conflicting context that is trained on, any number alike on a scale of logarithms: of many short ones more
is kept than of a few long ones that cost as much."""
NEUTRAL_TOKENS = 48
ANSWER_TOKENS = 16
"""Of an answer to be replayed: longer ones took as long to write as all of training, and what is read shows early."""
AT_ONCE = 16
"""Contexts that are read together."""
DROPPED = 0.3
"""Of a conflicting context's sentences, in half of them."""
_SENTENCE_END = re.compile(r"(?<=[.!?\n])(\s+)")


@torch.no_grad()
def neutral_rows(model: Backbone, count: int, rng: random.Random, kept: TopK = TOP_K, until: float = math.inf) -> list[Row]:
    """Texts the model writes from nothing at temperature 1, with what it says itself at every token.

    `until`: on time.monotonic(); after it no more are begun.
    """
    if not count:
        return []
    start = tuple(model.encode([""])[0]) or (_any_token(model, rng),)
    choose = sampling(1.0, torch.Generator().manual_seed(rng.getrandbits(63)))
    said: list[list[int]] = []
    for first in range(0, count, 64):
        if said and time.monotonic() > until:
            break
        said += continued(model, [start] * min(64, count - first), None, NEUTRAL_TOKENS, (), choose)
    texts = [Completion(start, tuple(tokens)) for tokens in said if tokens]
    logprobs = teacher_logprobs(model, None, texts, kept, batch_tokens=reading_tokens(model))
    return [row_of(text.tree, each) for text, each in zip(texts, logprobs, strict=True)]


@torch.no_grad()
def conflicting_rows(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    examples: Sequence[TeacherAnswer],
    count: int,
    rng: random.Random,
    kept: TopK = TOP_K,
    until: float = math.inf,
    window: tuple[int, int] | None = None,
) -> list[Row]:
    """Up to `count` changed pieces, each with questions behind it and what the bare model answers there.

    `until`: on time.monotonic(); after it no more are begun. `window`: of each piece some sentences that follow each
    other, about that many tokens; None: all.
    """
    rows: list[Row] = []
    of_chunk = [[each for each in examples if each.question.chunk == number] for number in range(len(chunks))]
    asked_about = [number for number, each in enumerate(of_chunk) if each]
    questions = _Postings([each.question.text for each in examples])
    said = [sorted({text_of(model, template, each.with_context.completion_ids) for each in own}) for own in of_chunk]
    tokens = model.count_tokens([chunk.text for chunk in chunks]) if window else []
    waiting: list[QuestionTokens] = []
    for turn in range(count if asked_about else 0):
        if rows and time.monotonic() > until:
            break
        number = rng.choice(asked_about)
        text = chunks[number].text
        if window:
            text = _part(text, tokens[number], window, rng)
        text = swap_answers(text, said[number], rng) if rng.random() < 0.5 else recombined(text, rng)
        if rng.random() < 0.5:
            text = drop_sentences(text, rng)
        any_of = [each.question.text for each in rng.sample(of_chunk[number], min(QUESTIONS // 4, len(of_chunk[number])))]
        about = list(dict.fromkeys([*questions.about(text, QUESTIONS - len(any_of), rng), *any_of]))
        waiting.append(question_tokens(model, template, text, about))
        if len(waiting) == AT_ONCE or turn + 1 == count:
            rows += _answered(model, template, waiting, kept)
            waiting = []
    return rows


def _answered(model: Backbone, template: Template, read: Sequence[QuestionTokens], kept: TopK) -> list[Row]:
    """What the bare model says behind several contexts, in passes that they share."""
    before = [each.prefix for each in read for _ in each.with_context]
    stems = [stem for each in read for stem in each.with_context]
    short = replace(template, answer_tokens=min(template.answer_tokens, ANSWER_TOKENS))
    pairs = [Completion(*pair) for pair in zip(stems, answers(model, short, before, stems), strict=True)]
    logprobs = teacher_logprobs(model, before, pairs, kept, batch_tokens=reading_tokens(model))
    rows, start = [], 0
    for each in read:
        part = slice(start, start + len(each.with_context))
        rows.append(branched(each.prefix.ids if each.prefix else (), pairs[part], logprobs[part]))
        start = part.stop
    return rows


def swap_answers(text: str, said: Sequence[str], rng: random.Random) -> str:
    """The text with the answers that stand in it in each other's place.

    Where fewer than two stand in it, its names and numbers are exchanged.
    """
    found = sorted({each for each in said if each and _word(each).search(text)}, key=len, reverse=True)
    if len(found) < 2:
        found = sorted(set(re.findall(r"\b(?:[A-Z][a-z]+|\d+)\b", text)), key=len, reverse=True)
    if len(found) < 2:
        return text
    other = found[:]
    while any(a == b for a, b in zip(found, other, strict=True)):
        rng.shuffle(other)
    instead = dict(zip(found, other, strict=True))
    return re.sub("|".join(_word(each).pattern for each in found), lambda match: instead[match[0]], text)


def recombined(text: str, rng: random.Random) -> str:
    """The text with words exchanged between sentences of as many words, at the same place in each."""
    sentences = [sentence.split(" ") for sentence in _SENTENCE_END.split(text)]
    by_length: dict[int, list[list[str]]] = {}
    # Split with its ends kept: every other part is white space, which has no words to exchange.
    for words in sentences[::2]:
        by_length.setdefault(len(words), []).append(words)
    for length, alike in by_length.items():
        for place in range(length):
            column = [words[place] for words in alike]
            rng.shuffle(column)
            for words, word in zip(alike, column, strict=True):
                words[place] = word
    return "".join(" ".join(words) for words in sentences)


def drop_sentences(text: str, rng: random.Random) -> str:
    parts = _SENTENCE_END.split(text)
    kept = [i for i in range(0, len(parts), 2) if rng.random() >= DROPPED]
    return "".join("".join(parts[i : i + 2]) for i in kept).rstrip() or text


def _part(text: str, tokens: int, window: tuple[int, int], rng: random.Random) -> str:
    """Sentences that follow each other, from anywhere in a text of `tokens` tokens."""
    wanted = math.exp(rng.uniform(*map(math.log, window))) / max(1, tokens) * len(text)
    parts = _SENTENCE_END.split(text)
    starts = range(0, len(parts), 2)
    lengths = [len("".join(parts[at : at + 2])) for at in starts]
    first = rng.choice([place for place in range(len(starts)) if sum(lengths[place:]) >= wanted] or [0])
    last = first
    while last < len(starts) and sum(lengths[first:last]) < wanted:
        last += 1
    return "".join(parts[2 * first : 2 * last]).rstrip()


class _Postings:
    """Which questions have a word; to find those that a changed text may answer."""

    def __init__(self, questions: Sequence[str]) -> None:
        self.questions = list(dict.fromkeys(questions))
        self.of: dict[str, list[int]] = {}
        for number, question in enumerate(self.questions):
            for word in set(_words(question)):
                self.of.setdefault(word, []).append(number)

    def about(self, text: str, count: int, rng: random.Random) -> list[str]:
        """For some sentences of the text, a question that shares most words with it, rare ones counting more."""
        sentences = [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]
        found = []
        for sentence in rng.sample(sentences, min(count, len(sentences))):
            weights: dict[int, float] = {}
            for word in set(_words(sentence)):
                for number in self.of.get(word, ()):
                    weights[number] = weights.get(number, 0.0) + 1 / len(self.of[word])
            if weights:
                best = max(weights.values())
                found.append(self.questions[rng.choice([number for number, each in weights.items() if each > 0.99 * best])])
        return found


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


def branched(shared: Sequence[int], pairs: Sequence[Completion], logprobs: Sequence[TeacherLogprobs]) -> Row:
    """One tree: the context is its stem, the questions with their answers are its branches."""
    branches = [pair.tree.stem for pair in pairs]
    at = len(shared)
    reads: list[int] = []
    firsts: list[int] = []
    for pair, branch in zip(pairs, branches, strict=True):
        firsts.append(len(reads))
        reads += [at + place for place in pair.tree.positions_read]
        at += len(branch)
    tree = Tree(tuple(shared), tuple(branches), tuple(reads))
    return row_of(tree, concatenated(logprobs, torch.device("cpu")), tuple(firsts))


def _any_token(model: Backbone, rng: random.Random) -> int:
    """For a tokenizer without a token that begins texts."""
    size = model.vocabulary_size
    return rng.randrange(size)
