"""Every method of answering questions about a context, by name: one table, whose rows give systems that are queried alike.

A method is given the model, the context and what was learned of it, and never a question that it is judged on.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from inweights.context.learn import seconds_of
from inweights.context.method_inputs import MethodInputs, nothing, retrieved, right_piece, whole
from inweights.context.systems import ContextOf, System, learned_system
from inweights.context.train import LearnedContext
from inweights.context.trained_baselines import next_token_baseline, sft_baseline
from inweights.learn_records import TEACHER, system_of


class ContextMethod(Protocol):
    def systems(self, name: str, inputs: MethodInputs) -> list[System]:
        """Those that `name` comes to: one for each form where forms differ, none where the text does not fit."""
        ...


@dataclass(frozen=True)
class InPrompt:
    """The model as it is, with a text in its prompt."""

    text: Callable[[MethodInputs], ContextOf | None]
    method: str = ""
    """Its name in a study, where it has another one there."""
    warm: bool = False

    def systems(self, name: str, inputs: MethodInputs) -> list[System]:
        context = self.text(inputs)
        method = self.method or name
        return [System(name, inputs.model, context, warm=self.warm, method=method)] if context else []


@dataclass(frozen=True)
class Distilled:
    """Every form that was learned, with a text in its prompt or without."""

    text: Callable[[MethodInputs], ContextOf] = nothing
    suffix: str = ""

    def systems(self, name: str, inputs: MethodInputs) -> list[System]:
        found = []
        for form, result in inputs.results.items():
            method = "distill+prefix" if form == "kv" else "distill+lora"
            seconds = sum(seconds_of(result, inputs.results.values()).values())
            shown, named = system_of(form), method
            if self.suffix:
                shown, named = f"{shown} + {self.suffix}", f"{method}, {self.suffix}"
            found.append(learned_system(shown, result.learned, seconds, named, self.text(inputs)))
        return found


@dataclass(frozen=True)
class Trained:
    """A LoRA that was trained on something else than the teacher's distributions."""

    train: Callable[[MethodInputs], LearnedContext]

    def systems(self, name: str, inputs: MethodInputs) -> list[System]:
        if not inputs.results:
            return []
        started = time.monotonic()
        learned = self.train(inputs)
        return [learned_system(name, learned, time.monotonic() - started, f"{name}+lora")]


ALWAYS = ("alone", TEACHER, "distilled")
"""Methods that every report has: what was learned lies between the first two."""
CONTEXT_METHODS: Mapping[str, ContextMethod] = MappingProxyType(
    {
        "alone": InPrompt(nothing, method="zero-shot"),
        TEACHER: InPrompt(right_piece),
        "icl": InPrompt(whole),
        "icl-cached": InPrompt(whole, warm=True),
        "rag": InPrompt(retrieved),
        "distilled": Distilled(),
        "distilled+rag": Distilled(retrieved, "rag"),
        "sft": Trained(sft_baseline),
        "next-token": Trained(next_token_baseline),
    }
)
RIVALS = tuple(name for name in CONTEXT_METHODS if name not in ALWAYS)
"""Methods that a user chooses among."""
IN_PROMPT = ("icl", "icl-cached", "rag")
"""Of these, the ones that train nothing."""


def systems_of(inputs: MethodInputs, rivals: Collection[str]) -> list[System]:
    """The systems of all methods that are always there or were chosen, in the order of the table."""
    return [
        system
        for name, method in CONTEXT_METHODS.items()
        if name in ALWAYS or name in rivals
        for system in method.systems(name, inputs)
    ]
