"""What a model writes after a piece of a context, from several beginnings, in its own words."""

import random
import re
from collections.abc import Collection

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import AT_ONCE
from inweights.context.template import Template
from inweights.models.base import Backbone
from inweights.models.decoding import continued, end_ids
from inweights.models.next_token import Choose
from inweights.models.shared_prefix import common

REQUESTS = {
    "question": "Write a short question about one fact in the text above. Write only the question.",
    "message": "Write one short message that a user of such an assistant would send. Write only the message.",
}
"""To a model that chats, after the text. One plain instruction: small models copy a longer one into the question."""
BEGINNINGS = ("", "", "What", "What", "Who", "Where", "When", "Why", "How", "How many", "How long", "Which")
"""Of questions, put into the model's mouth: without them most questions of a small model are the same."""
LONGEST = 48
"""Tokens of a question."""


def free_texts(
    model: Backbone, template: Template, chunk: Chunk, count: int, choose: Choose, rng: random.Random
) -> list[str]:
    """What the model writes after the piece, from several beginnings."""
    slot, space = _slot(template, chunk)
    starts = [rng.choice(BEGINNINGS if template.asks_questions else ("",)) for _ in range(count)]
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
