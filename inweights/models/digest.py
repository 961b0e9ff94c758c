"""A digest that tells one model from another."""

import hashlib
from pathlib import Path

import torch
from torch import nn

FILES = (
    *("*.safetensors", "config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "chat_template*"),
    *("vocab.*", "merges.txt", "*.model", "*.tiktoken"),
)
"""The files of a model folder that its scores depend on."""


def digest(place: str, module: nn.Module) -> str:
    """SHA-256 of a model folder's files, or of the weights in memory where there is no folder; 16 hexadecimal digits.

    The configuration and the tokenizer are part of it: with others the same weights give other scores.
    """
    folder = Path(place)
    if not folder.is_dir() or not any(folder.glob("*.safetensors")):
        return weights_digest(module)
    sha = hashlib.sha256()
    for file in sorted({file for kind in FILES for file in folder.glob(kind)}):
        sha.update(file.name.encode())
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
