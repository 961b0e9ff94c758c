"""Inputs written by the model, for users without unlabelled inputs: it continues the demonstrations."""

import random
import re
from collections.abc import Sequence

import torch

from inweights.models.base import Backbone
from inweights.models.decoding import continued, end_ids
from inweights.models.generated import continuation
from inweights.models.next_token import Choose, sampling
from inweights.types import Example, Prompt

TEMPERATURE = 1.0
MAX_TOKENS = 96
"""Maximum tokens of one continuation; longer ones do not match the pattern and are dropped."""
FIRST_ATTEMPTS, SAMPLES = 64, 16
"""Attempts after which at least one must match the pattern; continuations sampled together from one context."""
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


@torch.no_grad()
def generated_inputs(
    model: Backbone, prompt: Prompt, demonstrations: Sequence[Example], count: int, seed: int
) -> list[Example]:
    """Up to `count` new inputs without labels, without repetitions and demonstrations.

    The model continues the demonstrations, each time in another order. A continuation is parsed by the pattern, and dropped
    where it does not match. There are up to 4 * count attempts, and only 64 if none of those matches.
    """
    rng = random.Random(f"generation {seed}")
    choose = sampling(TEMPERATURE, torch.Generator().manual_seed(rng.getrandbits(63)))
    known = {tuple(example.fields.items()) for example in demonstrations}
    found: list[Example] = []
    attempts = 0
    while len(found) < count and attempts < 4 * count and (found or attempts < FIRST_ATTEMPTS):
        context = prompt.context(rng.sample(list(demonstrations), len(demonstrations)))
        several = min(SAMPLES, 4 * count - attempts)
        for text in _sampled(model, context, several, choose, prompt.separator):
            fields = read_back(prompt, text)
            attempts += 1
            if fields is not None and tuple(fields.items()) not in known and len(found) < count:
                known.add(tuple(fields.items()))
                found.append(Example(fields))
    return found


def read_back(prompt: Prompt, text: str) -> dict[str, str] | None:
    """The fields of a text that matches the pattern and a label word; None where it does not, or a field is empty."""
    match = _reader(prompt).match(text)
    if match is None:
        return None
    fields = {name: match[f"field{index}"].strip() for index, name in enumerate(prompt.field_names)}
    return fields if all(fields.values()) else None


def _reader(prompt: Prompt) -> re.Pattern[str]:
    """The pattern as a regular expression, with a group for every field."""
    names, parts, end = prompt.field_names, [], 0
    for part in _PART.finditer(prompt.pattern):
        parts.append(re.escape(prompt.pattern[end : part.start()]))
        if part[1] is None:
            parts.append(re.escape(part[0][0]))
        else:
            group = f"field{names.index(part[1])}"
            again = any(f"(?P<{group}>" in each for each in parts)
            parts.append(f"(?P={group})" if again else f"(?P<{group}>.+?)")
        end = part.end()
    rest = (prompt.pattern[end:] + prompt.answer_prefix).rstrip()
    # Without an answer prefix only the label word shows where the last field ends.
    words = "|".join(re.escape(word) for word in prompt.verbalizer)
    return re.compile("".join([*parts, re.escape(rest), rf"\s+(?:{words})(?:\s|$)"]), flags=re.DOTALL)


def _sampled(model: Backbone, context: str, count: int, choose: Choose, separator: str) -> list[str]:
    """Sampled continuations of the context, each up to its first separator or the end of text."""
    ids = model.encode([context])[0]
    # The prefix holds all but the last token, which is the stem of every sample.
    prefix = model.prefix(ids[:-1]) if ids[:-1] else None
    sampled = continued(model, [ids[-1:]] * count, prefix, MAX_TOKENS, end_ids(model, separator), choose)
    return [continuation(model, ids, tokens).split(separator)[0].lstrip() for tokens in sampled]
