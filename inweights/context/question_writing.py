"""Questions about a piece of a context, written by a model that reads the piece, and the filter that they pass."""

import random
import re
from collections.abc import Collection

import torch

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import AT_ONCE, Question
from inweights.context.questions import normal, usable
from inweights.context.template import Template
from inweights.models.base import Backbone
from inweights.models.decoding import continued, end_ids
from inweights.models.next_token import Choose, sampling
from inweights.models.shared_prefix import common

REQUESTS = {
    "question": "Write a short question about one fact in the text above. Write only the question.",
    "message": "Write one short message that a user of such an assistant would send. Write only the message.",
}
"""To a model that chats, after the text. One plain instruction: small models copy a longer one into the question."""
BEGINNINGS = ("", "", "What", "What", "Who", "Where", "When", "Why", "How", "How many", "How long", "Which")
"""Of questions, put into the model's mouth: without them most questions of a small model are the same."""
TEMPERATURE, TOP_P = 0.7, 0.9
LONGEST = 48
"""Tokens of a question."""
ATTEMPTS = 6
"""For each question wanted: of a small model's, about one in three passes."""
ABOUT = 0.5
"""Share of a question's content words that the piece must have."""
_COMMON = frozenset(
    "the and for are was has had who how why can may all any one two its you our his her she per not but out "
    "about after also been before between both could does doing done down each from have having here into just many more "
    "most much must name only other over same should some such than that their them then there these they this those under "
    "until used user very were what when where which while will with would your text question answer write short "
    "following".split()
)
_OPENINGS = frozenset(
    "what who whom whose where when why how which is are was were do does did can could will would should may must has have "
    "list name summarise summarize explain describe give tell show write compare".split()
)


@torch.no_grad()
def written(
    model: Backbone, template: Template, chunk: Chunk, number: int, count: int, seed: int, known: Collection[str] = ()
) -> list[Question]:
    """Up to `count` new questions about the piece; gives up after six times as many attempts."""
    rng = random.Random(f"questions {seed} {chunk.digest} {len(known)}")
    choose = sampling(TEMPERATURE, torch.Generator().manual_seed(rng.getrandbits(63)), TOP_P)
    words, seen = _content_words(chunk.text), {normal(each) for each in known}
    found: list[Question] = []
    for _ in range(ATTEMPTS):
        missing = count - len(found)
        if missing < 1:
            break
        for text in _continued(model, template, chunk, missing, choose, rng):
            # What a base model writes is held to one word alone: it names less, and is not asked to write a question.
            share = 0.0 if template.end else ABOUT
            fits = usable(text) and (template.request == "message" or about(text, words, share))
            if fits and normal(text) not in seen and len(found) < count:
                seen.add(normal(text))
                found.append(Question(text, number))
    return found


def about(text: str, piece: Collection[str], share: float = ABOUT) -> bool:
    """Whether a text has the form of a question or a request, and one content word of the piece, or that share of them."""
    if not text.isascii():  # the lists of words are English
        return True
    first = re.match(r"\w*", text.lower())
    if not (text.endswith("?") or (first and first[0] in _OPENINGS)):
        return False
    own = _content_words(text)
    return len(own & set(piece)) >= max(1, share * len(own))


def _content_words(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {word for word in words if (len(word) > 2 or word.isdigit()) and word not in _COMMON}


def _continued(
    model: Backbone, template: Template, chunk: Chunk, count: int, choose: Choose, rng: random.Random
) -> list[str]:
    """What the model writes after the piece, from several beginnings."""
    slot, space = _slot(template, chunk)
    # An input of a prompt's examples is not a question.
    questions = template.request == "question" and ("Question" in template.alone or not template.end)
    starts = [rng.choice(BEGINNINGS if questions else ("",)) for _ in range(count)]
    shared = model.encode([slot])[0]
    stems = [model.encode([f"{slot}{space}{start}" if start else slot])[0] for start in starts]
    # The last shared token is read with each: a beginning may have merged with it.
    alike = min([len(shared) - 1, *(common(shared, stem) for stem in stems)])
    stop = end_ids(model, template.end)
    prefix = model.prefix(shared[:alike]) if alike else None
    # Decoded with a few tokens in front: many tokenizers drop the space a text begins with.
    before = model.decode(shared[max(0, alike - 4) :])
    tail = template.asked("").split("\n")[0].strip() if template.end else ""
    found = []
    for first in range(0, count, AT_ONCE):
        part = stems[first : first + AT_ONCE]
        outputs = continued(model, [stem[alike:] for stem in part], prefix, LONGEST, stop, choose)
        for start, stem, tokens in zip(starts[first : first + AT_ONCE], part, outputs, strict=True):
            text = _text(model, before, [*stem[max(0, alike - 4) :], *tokens], start, stop)
            found.append(text.partition(tail)[0].strip() if tail else text)
    return [text for text in found if text]


def _slot(template: Template, chunk: Chunk) -> tuple[str, str]:
    """The text that a question follows, and what stands between."""
    if template.end:
        return template.context(chunk.text).rstrip(" "), " "
    return template.bare(f"{chunk.text}\n\n{REQUESTS[template.request]}"), ""


def _text(model: Backbone, before: str, ids: list[int], start: str, stop: Collection[int]) -> str:
    """The question in `ids` after the text `before`, on one line; empty where it did not end."""
    whole = ids[-1] in stop
    text = _first_line(model.decode(ids[:-1] if whole else ids).removeprefix(before))
    # The likeliest token after `What` may go on with the word.
    if start and text[len(start) : len(start) + 1].isalnum():
        return ""
    head, mark, _ = text.partition("?")
    return head + mark if mark else text if whole else ""


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    return re.sub(r"^(?:Q|Question|\d+)[:.)]\s*", "", lines[0]).strip('"* ') if lines else ""
