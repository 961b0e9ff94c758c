"""What tells one set of weights from another."""

import hashlib
from pathlib import Path

import torch
from torch import nn


def digest(place: str, module: nn.Module) -> str:
    """SHA-256 of a folder's safetensors files, or of the weights in memory where there is no folder; 16 digits."""
    files = sorted(Path(place).glob("*.safetensors")) if Path(place).is_dir() else []
    if not files:
        return weights_digest(module)
    sha = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 24):
                sha.update(block)
    return sha.hexdigest()[:16]


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over the names and bytes of every parameter and buffer in memory, 16 hexadecimal digits."""
    sha = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()[:16]
