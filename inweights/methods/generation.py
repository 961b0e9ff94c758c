"""Inputs written by the model itself, where the user has none without labels: the demonstrations are continued."""

import random
import re
from collections.abc import Sequence

import torch

from inweights.engine.trees import Tree
from inweights.models.base import LanguageModel
from inweights.types import Example, Prompt

TEMPERATURE = 1.0
MOST_TOKENS = 96
"""Of one continuation; longer ones are lost."""
FIRST, AT_ONCE = 64, 16
"""Attempts until one must have read; continuations of the same context."""
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


@torch.no_grad()
def generated_inputs(
    model: LanguageModel, prompt: Prompt, demonstrations: Sequence[Example], count: int, seed: int
) -> list[Example]:
    """Up to `count` new inputs without labels, none twice and none among the demonstrations.

    Demonstrations in changing order stand in front; what the model writes is read back by the pattern, and dropped
    where it does not read. Gives up after 4 * count attempts, or where none of the first 64 reads, so there may be
    fewer.
    """
    rng = random.Random(f"generation {seed}")
    generator = torch.Generator().manual_seed(rng.getrandbits(63))
    known = {tuple(example.fields.items()) for example in demonstrations}
    found: list[Example] = []
    attempts = 0
    while len(found) < count and attempts < 4 * count and (found or attempts < FIRST):
        context = prompt.context(rng.sample(list(demonstrations), len(demonstrations)))
        several = min(AT_ONCE, 4 * count - attempts)
        for text in _continued(model, context, several, generator, prompt.separator):
            fields = read_back(prompt, text)
            attempts += 1
            if fields is not None and tuple(fields.items()) not in known and len(found) < count:
                known.add(tuple(fields.items()))
                found.append(Example(fields))
    return found


def read_back(prompt: Prompt, text: str) -> dict[str, str] | None:
    """The fields of a text that reads as the pattern and a label word; None where it does not, or a field is empty."""
    match = _reader(prompt).match(text)
    if match is None:
        return None
    fields = {name: match[f"field{index}"].strip() for index, name in enumerate(prompt.field_names)}
    return fields if all(fields.values()) else None


def _reader(prompt: Prompt) -> re.Pattern[str]:
    """The pattern turned round: what it would write, with a group for every field."""
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
    # Without an answer prefix only the label word says where the last field ends.
    words = "|".join(re.escape(word) for word in prompt.verbalizer)
    return re.compile("".join([*parts, re.escape(rest), rf"\s+(?:{words})(?:\s|$)"]), flags=re.DOTALL)


def _continued(model: LanguageModel, context: str, several: int, generator: torch.Generator, separator: str) -> list[str]:
    """Sampled continuations of the context, each up to its first separator or the end of text."""
    ids = model.encode([context])[0]
    most = min(MOST_TOKENS, model.card.max_tokens - len(ids) - 1)
    # The prefix holds all but the last token, which is the first that every sample reads on from.
    prefix = model.prefix(ids[:-1])
    samples: list[list[int]] = [[ids[-1]] for _ in range(several)]
    going = list(range(several))
    for _ in range(most):
        logits = model.next_token_logits([Tree(tuple(samples[i])) for i in going], prefix)
        drawn = torch.multinomial((logits.cpu() / TEMPERATURE).softmax(-1), 1, generator=generator)[:, 0].tolist()
        for i, token in zip(going, drawn, strict=True):
            samples[i].append(token)
        # A special token, such as the end of text, decodes to nothing.
        going = [i for i in going if model.decode(samples[i][-1:]) and separator not in model.decode(samples[i][1:])]
        if not going:
            break
    return [model.decode(sample[1:]).split(separator)[0].lstrip() for sample in samples]
