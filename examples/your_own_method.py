"""A method, an update and a task of your own beside the built-in ones: python examples/your_own_method.py [MODEL]"""

import sys
from dataclasses import dataclass

import torch

import inweights
from inweights import Example, Prompt, Task
from inweights.methods import Fitted
from inweights.methods.pattern import PatternFineTune
from inweights.types import Split
from inweights.updates import BitFit
from inweights.updates.base import private_copies


@dataclass(frozen=True)
class Gains(BitFit):  # takes over how BitFit is stored, exported and forecast
    """Norm gains (yours): the weights of all norms."""

    name = "gains"

    def apply(self, model, seed):
        names = [n for n, p in model.module.named_parameters() if p.dim() == 1 and n.endswith("weight")]
        return private_copies(model, names)


@dataclass(frozen=True)
class Centroids:
    """Nearest centroid (yours): an example has the label whose shots' mean hidden state is nearest."""

    needs = frozenset({"states"})
    pooling: str = "mean"

    def fit(self, model, prompt, shots, budget):
        return [Fitted(Nearest(model, prompt, self._centroids(model, prompt, draw), self.pooling)) for draw in shots]

    def _centroids(self, model, prompt, draw):
        states = states_of(model, prompt, draw.labelled, self.pooling)
        labels = torch.tensor([example.label for example in draw.labelled])
        return torch.stack([states[labels == label].mean(0) for label in range(len(prompt.labels))])


@dataclass(frozen=True)
class Nearest:
    model: object
    prompt: Prompt
    centroids: torch.Tensor
    pooling: str

    def __call__(self, examples):
        return -torch.cdist(states_of(self.model, self.prompt, examples, self.pooling), self.centroids)

    def fallbacks(self, examples):
        return {}


@torch.no_grad()
def states_of(model, prompt, examples, pooling):
    return model.summaries(model.encode([prompt.body(each) for each in examples]), pooling).float().cpu()


def opinions(things):
    said = [
        ("the poet wants the lovely {} .", 1), ("the cook wants the perfect {} .", 1),
        ("the poet wants the foul {} .", 0), ("the cook wants the ugly {} .", 0),
    ]  # fmt: skip
    return tuple(Example({"text": text.format(thing)}, label) for thing in things for text, label in said)


task = Task(
    name="opinions",
    prompts=(Prompt("{text} It was", ("foul", "lovely"), ("negative", "positive")),),
    splits={
        "train": Split(lambda: opinions(["house", "lamp", "river", "king", "letter", "boat"]), "train"),
        "test": Split(lambda: opinions(["doctor", "judge", "tower"]), "in-domain"),
    },
)
methods = {"centroids": Centroids(), "pbft+gains": PatternFineTune(Gains(), Gains.schedule), "icl": inweights.METHODS["icl"]}
options = {
    "model": sys.argv[1] if len(sys.argv) > 1 else "embedded",
    "task": task,
    "methods": methods,
    "shots": 8,
    "seeds": 2,
}
print(inweights.compare(**options, dry_run=True).plan())
study = inweights.compare(**options, steps=20)
print(study.table())
print(study.fit("centroids").predict(["the cook wants the perfect house ."]))
