"""What a stopped training needs to go on: weights, optimizers, and how far it is."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inweights.grammar.tasks import CLASSES

MEMORY = 0.05
"""Weight of a new measurement in the moving means."""
LEARNT, MOST_SHOTS, MOST_FACTS = 0.88, 16, 22


@dataclass
class Progress:
    """How far training is, and what it should see more of."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    facts: int = 2
    """The longest document has so many."""
    shots: dict[str, int] = field(default_factory=dict)
    """So many examples with fixed labels stand in a sequence, by task."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """Moving mean over the training sequences, by kind."""

    def note(self, kind: str, right: float) -> None:
        """The share of a batch that was right. What is learnt becomes harder."""
        old = self.accuracy.get(kind, 0.0)
        now = self.accuracy[kind] = old + MEMORY * (right - old)
        task = kind.removeprefix("canonical ")
        if task != kind and now > LEARNT and self.shots.get(task, 1) < MOST_SHOTS:
            self.shots[task] = 2 * self.shots.get(task, 1)
            self.accuracy[kind] = LEARNT - 0.1
        if kind == "document" and now > LEARNT and self.facts < MOST_FACTS:
            self.facts += 1
            self.accuracy[kind] = LEARNT - 0.08

    def needs(self) -> dict[str, float]:
        """How often each kind is to be seen: as much as is left to learn, and a little of what is not."""
        found = {"words": 0.1 + max(0.0, 0.8 - self._seen("words")), "text": 0.15}
        found["recall"] = 0.1 + max(0.0, 0.95 - self._seen("recall"))
        found["document"] = 0.3 + 3 * max(0.0, 0.97 - self._seen("document"))
        for task in CLASSES:
            known = self._seen(f"canonical {task}")
            found[f"canonical {task}"] = 0.05 + 2 * max(0.0, 1 - known)
            # Labels are looked up by features: before those are there, nothing is to be found in an episode.
            ready = self.shots.get(task, 1) > 2
            # The first of each class are guesses, which leaves about that share to be right.
            left = max(0.0, 0.88 * known - self._seen(f"task {task}"))
            found[f"task {task}"] = 0.1 + 2 * left if ready else 0.0
        return found

    def _seen(self, kind: str) -> float:
        return self.accuracy.get(kind, 0.0)

    def __str__(self) -> str:
        seen = " ".join(f"{kind} {value:.3f}" for kind, value in sorted(self.accuracy.items()))
        shots = " ".join(f"{task} {count}" for task, count in self.shots.items())
        how_far = f"step {self.step}, {self.seconds:.0f} s, {self.tokens / 1e6:.2f}M tokens, {self.facts} facts"
        return f"{how_far}, shots {shots}: {seen}"


def checkpoint(folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{k}": v for k, v in state.items() if isinstance(v, Tensor)}
    metadata = {"progress": json.dumps(asdict(progress))}  # in the one file, so that both are of the same instant
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "new.safetensors", metadata)
    (folder / "new.safetensors").replace(folder / "state.safetensors")


def restore(folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> Progress:
    """Fills model and optimizers from the folder, where it has a checkpoint."""
    from safetensors import safe_open

    path = folder / "state.safetensors"
    if not path.exists():
        return Progress()
    tensors = load_file(path)
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimizer.{number}."):
                index, key = name.split(".")[2:]
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    with safe_open(path, "pt") as file:
        return Progress(**json.loads(file.metadata()["progress"]))
