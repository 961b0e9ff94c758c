"""A planned run, and a loaded backbone: what a batch of runs needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from inweights.methods import MaybeIndependent, Method
from inweights.models.base import Backbone
from inweights.types import Cost, Prompt, Run, Task


@dataclass(frozen=True)
class PlannedRun:
    """All that a run needs, resolved and checked before the first run starts."""

    run: Run
    task: Task
    prompt: Prompt
    method: Method
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further entries of the record's environment, such as the digest of the data."""
    others: tuple[Prompt, ...] = ()
    """Further prompts, among which tuning chooses on the shots."""

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return (self.prompt, *self.others)

    @property
    def independent(self) -> bool:
        """Whether every draw of shots gives the same fitted method: it is run once per task then, with seed and shots 0."""
        return not self.others and independent(self.method)


@dataclass(frozen=True)
class Loaded:
    """The backbone in memory, shared by all runs of this process."""

    model: Backbone
    cost: Cost
    environment: Mapping[str, str]


def independent(method: Method) -> bool:
    return isinstance(method, MaybeIndependent) and method.independent_of_draws


def alike(one: PlannedRun, other: PlannedRun) -> bool:
    """Whether the two runs differ only in their seed."""
    return replace(one.run, seed=0) == replace(other.run, seed=0)
