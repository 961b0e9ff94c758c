"""Models and queries as plain values: weights, abilities, one query."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from inweights.types.errors import UserError

Dtype = Literal["auto", "fp32", "bf16", "fp16"]
Quantization = Literal["", "nf4", "int8"]
Ability = Literal["choices", "text", "states", "prefix", "weights"]
"""What a model can do: score given answers, write free text, return hidden states, continue from keys and values that
were encoded before, and be trained."""


@dataclass(frozen=True)
class Weights:
    """How a backbone is loaded: part of every run, and of the base model that an export names."""

    name: str
    """A folder, a GGUF file, a hub name or a short name."""
    dtype: Dtype = "auto"
    """`auto`: fp32 on a CPU, bf16 on a GPU that has it."""
    quantization: Quantization = ""

    @classmethod
    def parse(cls, text: str) -> "Weights":
        """From `NAME`, or `NAME@SUFFIX` with a dtype (`path@bf16`) or a quantization (`path@nf4`) as the suffix.

        Raises UserError for any other suffix: but for folders, no model's name has an @.
        """
        if os.path.exists(text):
            return cls(text)
        name, _, suffix = text.rpartition("@")
        if name and suffix in ("fp32", "bf16", "fp16"):
            return cls(name, dtype=suffix)  # type: ignore[arg-type]
        if name and suffix in ("nf4", "int8"):
            return cls(name, quantization=suffix)  # type: ignore[arg-type]
        if name:
            raise UserError(f"{suffix!r} is not a dtype: expected fp32, bf16 or fp16")
        return cls(text)

    def __str__(self) -> str:
        suffix = self.quantization or ("" if self.dtype == "auto" else self.dtype)
        return f"{self.name}@{suffix}" if suffix else self.name


@dataclass(frozen=True)
class Query:
    """One question to a model, whatever the task."""

    text: str
    """The prompt up to where the answer begins, without its context."""
    choices: tuple[str, ...] = ()
    """The answers to be scored, as they follow `text` (with their leading space); empty: the model answers freely."""
    context: str = ""
    """Precedes `text`; it is encoded once for all queries that share it."""
    suffix: str = ""
    """Follows the answer: the end of a chat turn, or of a line. It is scored with the choices where
    one of them is the beginning of another."""
    gold: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Such as the subset, the kind of question, the place in a document, the source chunk."""
