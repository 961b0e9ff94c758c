"""Where examples come from: a task, its sets, and what one run may learn from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inweights.types.errors import UserError
from inweights.types.prompts import Example, Prompt

Domain = Literal["train", "unlabelled", "in-domain", "out-of-domain"]


@dataclass(frozen=True)
class Split:
    """One set of a task's examples, read when it is needed."""

    load: Callable[[], Sequence[Example]]
    domain: Domain
    reads_as: tuple[int, ...] = ()
    """What each of the task's labels counts as here, for a set with fewer labels (HANS after three-way MNLI);
    empty: itself."""


@dataclass(frozen=True)
class Task:
    """A classification problem: its prompts, and where its examples come from."""

    name: str
    prompts: tuple[Prompt, ...]
    """All its patterns, by `Prompt.name`; the first is the default."""
    splits: Mapping[str, Split]
    """`train`, perhaps `unlabelled`, and any number of evaluation sets."""
    metric: str = "accuracy"
    """A name of METRICS: the literature's figure for the task. Accuracy is always reported beside it."""
    notes: tuple[str, ...] = ()
    """What a user should know before anything runs, such as a challenge set that was not found."""

    @property
    def prompt(self) -> Prompt:
        return self.prompts[0]

    def prompt_named(self, name: str | None) -> Prompt:
        """The prompt of that name, or the default. Raises UserError that lists the names there are."""
        for prompt in self.prompts:
            if name in (None, prompt.name):
                return prompt
        raise UserError(
            f"task {self.name!r} has no pattern named {name!r}; it has {', '.join(p.name for p in self.prompts)}"
        )

    @property
    def evaluation(self) -> dict[str, Split]:
        """The sets to score on, in-domain ones first."""
        sets = {name: split for name, split in self.splits.items() if split.domain.endswith("-domain")}
        return dict(sorted(sets.items(), key=lambda item: item[1].domain != "in-domain"))


@dataclass(frozen=True)
class Seeds:
    """One number for each source of chance in a run, so that they are independent of each other."""

    data: int
    order: int
    init: int
    dropout: int


@dataclass(frozen=True)
class Shots:
    """The examples that one run may learn from; the same for every method that is compared."""

    labelled: tuple[Example, ...]
    """In the order drawn: label by label in turn, so that the first n are always balanced."""
    indices: tuple[int, ...]
    """Of `labelled`, in the training split."""
    unlabelled: tuple[Example, ...]
    """Other in-domain inputs, without their labels."""
    seeds: Seeds
