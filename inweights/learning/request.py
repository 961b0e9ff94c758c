"""What is to come of learning a context: its form, its settings, the questions given, the baselines beside it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from inweights.context.qa_tokens import Question
from inweights.context.settings import Form, Settings
from inweights.context.train import LearnedContext

As = Literal["lora", "kv", "both", "merged"]
FORMS: Mapping[As, tuple[str, ...]] = {"lora": ("lora",), "kv": ("kv",), "both": ("lora", "kv"), "merged": ("merged",)}
RATE = 0.3
"""Share of the learning rate for training on: with all of it, what was known was lost first and learned again."""
EPOCHS = 0.5
"""Share of the epochs for training on: what is known already is only kept."""


@dataclass(frozen=True)
class LearnRequest:
    form: As = "lora"
    settings: Settings = field(default_factory=Settings)
    queries: tuple[Question, ...] = ()
    """To be trained on, beside the model's own."""
    tests: tuple[Question, ...] = ()
    """With right answers, to be measured on."""
    rivals: tuple[str, ...] = ("icl", "icl-cached", "rag")
    seconds: float = math.inf
    own: bool = False
    """The model writes questions as well where queries are given."""


@dataclass(frozen=True)
class WarmStart:
    """What learning an earlier version of a context has left for this one."""

    learned: Mapping[str, LearnedContext]
    """By form."""
    about: frozenset[int]
    """Pieces that the model is to write questions about."""
    unlearned: Callable[[str, LearnedContext], dict[str, int]]
    """By form and what it has learned now: how many of the answers that the edit changed are the new ones."""


def training_settings(request: LearnRequest, form: str, hidden_size: int, warm: WarmStart | None) -> Settings:
    """The settings of one form: gentler and shorter where it goes on from an earlier version."""
    kind: Form = "kv" if form == "kv" else "lora"
    settings = replace(request.settings, form=kind)
    if warm is None:
        return settings
    epochs = max(1, round(EPOCHS * settings.epochs)) if settings.epochs else None
    steps = max(1, round(EPOCHS * settings.minimum_steps)) if settings.minimum_steps > 1 else None
    return replace(settings, epochs=epochs, steps=steps, lr=RATE * settings.peak_lr(hidden_size), width=None)


def remedy(request: LearnRequest, warm: WarmStart | None) -> str:
    """What to do where too few questions will be held out; "" where verdicts are about other questions."""
    if request.tests:
        return ""
    return "give --test" if warm else "raise --held-out, or give --test"
