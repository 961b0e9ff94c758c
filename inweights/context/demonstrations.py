"""A prompt of examples as a context: new inputs read as its examples do, after them in several orders."""

import random
import re
from collections.abc import Sequence

from inweights.context.chunks import Chunk
from inweights.context.template import Template
from inweights.models.shared_prefix import common
from inweights.sources.types import Context

ORDERS = 4
"""Of the demonstrations. What a model says depends on their order (Lu et al. 2021, arXiv 2104.08786); learned after
several, a student takes on the mean."""


def template_of_examples(context: Context) -> Template:
    """What stands around the inputs of all demonstrations, around a new one."""
    queries = [each.query for each in context.demonstrations]
    before = re.sub(r"[^\s:>]*$", "", _alike(queries))
    after = _alike([query[len(before) :][::-1] for query in queries])[::-1]
    # An input may end as others do: what belongs to the pattern begins with white space.
    after = re.sub(r"^\S+", "", after)
    frame = f"{before}{{question}}{after}"
    line = context.separator.startswith("\n")
    return Template("{context}" + context.separator + frame, frame, "\n" if line else context.separator.strip() or "\n")


def orders(context: Context, seed: int = 0) -> list[Chunk]:
    """The whole prompt with its demonstrations in several orders; alike but for that."""
    rng = random.Random(f"orders {seed}")
    shown = [each.query + each.answer for each in context.demonstrations]
    ways = list(dict.fromkeys(tuple(rng.sample(shown, len(shown))) for _ in range(4 * ORDERS)))[:ORDERS]
    source, body = context.sections[0].source, _text(context.instruction, shown, context.separator)
    texts = [_text(context.instruction, way, context.separator) for way in ways]
    return [Chunk(text, body, source, context.sections[0].where) for text in texts]


def _alike(texts: Sequence[str]) -> str:
    """What all begin with: of the first and the last in order, which differ the soonest."""
    first, last = min(texts), max(texts)
    return first[: common(first, last)]


def _text(instruction: str, shown: Sequence[str], separator: str) -> str:
    demonstrations = separator.join(shown)
    return f"{instruction}\n\n{demonstrations}" if instruction else demonstrations
