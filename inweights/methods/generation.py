"""Inputs written by the model itself, where the user has none without labels: the demonstrations are continued."""

import random
import re
from collections.abc import Sequence

import torch

from inweights.models.base import LanguageModel, Tree
from inweights.types import Example, Prompt

_FIELD = re.compile(r"\\\{([^{}]*)\\\}")


@torch.no_grad()
def generated_inputs(
    model: LanguageModel,
    prompt: Prompt,
    demonstrations: Sequence[Example],
    count: int,
    seed: int,
    temperature: float = 1.0,
    most_tokens: int = 96,
) -> list[Example]:
    """Up to `count` new inputs without labels, none twice and none among the demonstrations.

    Demonstrations in changing order stand in front; what the model writes is read back by the pattern, and dropped
    where it does not read. Gives up after 4 * count attempts, so there may be fewer.
    """
    rng = random.Random(f"generation {seed}")
    generator = torch.Generator().manual_seed(rng.getrandbits(63))
    known = {tuple(example.fields.items()) for example in demonstrations}
    found: list[Example] = []
    attempts = 0
    while len(found) < count and attempts < 4 * count:
        context = prompt.context(rng.sample(list(demonstrations), len(demonstrations)))
        several = min(16, 4 * count - attempts)
        for text in _continued(model, context, several, generator, temperature, most_tokens, prompt.separator):
            fields = read_back(prompt, text)
            attempts += 1
            if fields is not None and tuple(fields.items()) not in known and len(found) < count:
                known.add(tuple(fields.items()))
                found.append(Example(fields))
    return found


def read_back(prompt: Prompt, text: str) -> dict[str, str] | None:
    """The fields of a text that begins as the pattern would write it; None where it does not, or a field is empty."""
    whole = re.escape(prompt.pattern + prompt.answer_prefix.rstrip())
    names = prompt.field_names
    expression = _FIELD.sub(lambda match: f"(?P<f{names.index(_plain(match[1]))}>.+?)", whole)
    # Without an answer prefix only the label word says where the last field ends.
    words = "|".join(re.escape(word) for word in prompt.verbalizer)
    match = re.match(rf"{expression}\s+(?:{words})(?:\s|$)", text, flags=re.DOTALL)
    if match is None:
        return None
    fields = {name: match[f"f{index}"].strip() for index, name in enumerate(names)}
    return fields if all(fields.values()) else None


def _plain(escaped: str) -> str:
    return escaped.replace("\\", "")


def _continued(
    model: LanguageModel,
    context: str,
    several: int,
    generator: torch.Generator,
    temperature: float,
    most_tokens: int,
    separator: str,
) -> list[str]:
    """Sampled continuations of the context, each up to its first separator."""
    ids = model.encode([context])[0]
    most = min(most_tokens, model.card.max_tokens - len(ids) - 1)
    if most < 1:
        return []
    # The prefix holds all but the last token, which is the first that every sample reads on from.
    prefix = model.prefix(ids[:-1])
    samples: list[list[int]] = [[ids[-1]] for _ in range(several)]
    open_samples = list(range(several))
    for _ in range(most):
        logits = model.next_token_logits([Tree(tuple(samples[i])) for i in open_samples], prefix)
        drawn = torch.multinomial((logits.cpu() / temperature).softmax(-1), 1, generator=generator)[:, 0].tolist()
        for i, token in zip(open_samples, drawn, strict=True):
            samples[i].append(token)
        open_samples = [i for i in open_samples if separator not in model.decode(samples[i][1:])]
        if not open_samples:
            break
    return [model.decode(sample[1:]).split(separator)[0].lstrip() for sample in samples]
