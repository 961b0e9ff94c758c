"""A training run's state on disk: a run that is killed continues where it was, and ends with the same numbers."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from inweights.records import write_whole


@dataclass
class Resume:
    """Keeps a run's state in `path` every `seconds`. `key` identifies the run: another run's state is not used."""

    path: Path
    key: str
    seconds: float = 30.0
    _last: float = field(default_factory=time.monotonic)

    def load(
        self, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, streams: list[Tensor]
    ) -> tuple[float, ...]:
        """Restore the kept state into the arguments; returns the losses of the steps done, () if nothing was kept."""
        from safetensors import safe_open

        if not self.path.is_file():
            return ()
        with safe_open(self.path, "pt") as file:
            metadata = file.metadata()
            if metadata["key"] != self.key:
                return ()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is not a dict
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(" ")
            if kind == "parameter":
                parameters[rest].data.copy_(tensor)
            elif kind == "optimizer":
                number, _, what = rest.partition(" ")
                state.setdefault(int(number), {})[what] = tensor
            else:
                streams[int(rest)] = tensor
        # Groups and their settings are those of the new optimizer; only the state of parameters is restored.
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        return tuple(json.loads(metadata["losses"]))

    @property
    def due(self) -> bool:
        """Whether it is time to keep the state again."""
        return time.monotonic() - self._last >= self.seconds

    def keep(
        self,
        parameters: Mapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        streams: list[Tensor],
        losses: list[float],
    ) -> None:
        """Write the state; the file is whole at any instant."""
        from safetensors.torch import save

        tensors = {f"parameter {name}": each.detach() for name, each in parameters.items()}
        for number, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer {number} {what}": torch.as_tensor(each) for what, each in values.items()}
        tensors |= {f"stream {number}": each for number, each in enumerate(streams)}
        # Clones, since safetensors refuses tensors that share memory.
        plain = {name: each.cpu().contiguous().clone() for name, each in tensors.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, save(plain, {"key": self.key, "losses": json.dumps(losses)}))
        self._last = time.monotonic()
