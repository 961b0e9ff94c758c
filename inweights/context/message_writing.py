"""Messages that users of an assistant would write, by a pattern of examples: about what its system prompt names, about
something else, and greetings. Without a topic most of a small model's are alike."""

import random
from collections.abc import Collection

import torch

from inweights.context.answer_spans import phrases, sentences
from inweights.context.fact_questions import Written
from inweights.context.few_shot import Reader
from inweights.context.qa_tokens import Question
from inweights.context.question_checks import FORM, REPEATED, sifted
from inweights.context.questions import normal, usable
from inweights.models.next_token import sampling
from inweights.plain_text import as_data

ELSEWHERE = (
    *(
        "the weather",
        "a famous person",
        "a recipe",
        "a film",
        "football",
        "a poem",
        "the capital of a country",
        "a computer",
    ),
    *("a holiday", "a sum", "an animal", "a song", "a planet", "a word in French"),
)
"""Topics that hardly any assistant is for: its rules about these are learned from such messages alone."""
GREETINGS = ("a greeting", "who the assistant is", "thanks")
OFF_TOPIC, GREETING = 0.25, 0.1
BEGINNINGS = (
    *("", "What", "What", "How", "How", "How much", "Can you", "Can I", "I", "My", "Do you", "Is", "Where", "When", "Who"),
    *("Why", "Which", "Tell me", "Hi", "Are you"),
)
"""Put into the user's mouth: without them a small model goes on with the system prompt."""
COPIED = 5
"""Words in a row that a message may not share with the system prompt or the examples."""
TEMPERATURE, TOP_P = 0.8, 0.9
MESSAGE_TOKENS = 32
ATTEMPTS = 3
_HOTEL = "You are Sam, who helps guests of the hotel Astra. Breakfast is from 7 to 10. Do not talk about politics."
_TUTOR = "You are a tutor for mathematics. Never give the solution, only a hint. Be friendly."
EXAMPLES = (
    (_HOTEL, "breakfast", "When can I have breakfast tomorrow?"),
    (_TUTOR, "hint", "I am stuck with x + 3 = 9, can you give me a hint?"),
    (_HOTEL, "politics", "Which party should I vote for?"),
    (_TUTOR, "a film", "What is the best film of all time?"),
    (_HOTEL, "a greeting", "Hi Sam, how are you?"),
    (_HOTEL, "guests", "May my guests come to my room in the evening?"),
    (_TUTOR, "solution", "Just tell me the solution of 12 times 14."),
    (_TUTOR, "a song", "Write a short song about rain."),
)
"""System prompt, topic, message."""


def messages(reader: Reader, prompt: str, number: int, count: int, seed: int, known: Collection[str] = ()) -> Written:
    """Up to `count` new messages; none where prompt and examples do not fit in the window."""
    rng = random.Random(f"messages {seed} {len(known)}")
    choose = sampling(TEMPERATURE, torch.Generator().manual_seed(rng.getrandbits(63)), TOP_P)
    topics = _topics(prompt)
    examples, found, seen = _examples(prompt), Written(), {normal(each) for each in known}
    for _ in range(ATTEMPTS):
        missing = count - len(found.questions)
        starts = [rng.choice(BEGINNINGS) for _ in range(missing)]
        bodies = [f"{_before(_topic(topics, rng))} {start}".rstrip() for start in starts]
        if not bodies or not reader.room(examples, bodies):
            break
        ends = reader.lines(examples, bodies, MESSAGE_TOKENS, choose)
        texts = [f"{start}{end}".strip().strip('"') if end else "" for start, end in zip(starts, ends, strict=True)]
        found += _passed(texts, number, seen, _runs(examples))
    return found


def _topic(topics: list[str], rng: random.Random) -> str:
    draw = rng.random()
    if draw < GREETING:
        return rng.choice(GREETINGS)
    return rng.choice(ELSEWHERE if draw < GREETING + OFF_TOPIC or not topics else topics)


def _topics(prompt: str) -> list[str]:
    """What the prompt names, in its order."""
    lines = [sentence for line in prompt.splitlines() for sentence in sentences(line)]
    return list(dict.fromkeys(phrase for line in lines for phrase in phrases(line) if not phrase[:1].isdigit()))


def _examples(prompt: str) -> str:
    shown = "".join(f"Assistant: {each}\n{_before(topic)} {message}\n\n" for each, topic, message in EXAMPLES)
    return f"{shown}Assistant: {as_data(' '.join(prompt.split()))}\n"


def _before(topic: str) -> str:
    return f"A user's message about {as_data(topic)}:"


def _runs(text: str) -> set[tuple[str, ...]]:
    words = normal(text).split()
    return {tuple(words[i : i + COPIED]) for i in range(len(words) - COPIED + 1)}


def _passed(texts: Collection[str], number: int, seen: set[str], shown: Collection[tuple[str, ...]]) -> Written:
    def reason_of(text: str) -> str:
        if not usable(text) or text.startswith("You are"):
            return FORM
        return REPEATED if normal(text) in seen or not _runs(text).isdisjoint(shown) else ""

    fit, failed = sifted(texts, str, reason_of, seen)
    return Written(tuple(Question(text, number) for text in fit), len(texts), failed)
