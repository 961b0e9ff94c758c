"""Models of known shape with random weights from a fixed seed, in a folder that both sides load: nothing is downloaded."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.bench import Options, Row
from benchmarks.text import tokenizer_for
from inweights.models import load
from inweights.models.base import Backbone

IDS = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2}
SHAPES: dict[str, dict[str, Any]] = {
    # The defaults are OPT-125M's. No dropout, so that losses can be compared step by step.
    "opt-125m": {"model_type": "opt", "dropout": 0.0, "attention_dropout": 0.0, "layerdrop": 0.0, **IDS},
    "llama-110m": {
        "model_type": "llama",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
        "intermediate_size": 2048,
        "max_position_embeddings": 2048,
        "vocab_size": 32000,
        **IDS,
    },
}


@dataclass(frozen=True)
class ModelShape:
    """One model on disk."""

    name: str
    place: Path

    def ours(self) -> Backbone:
        return load(str(self.place))

    def theirs(self, dtype: torch.dtype | None = None) -> Any:
        """In transformers, in the dtype and on the device that ours takes where nothing else is asked for."""
        from transformers import AutoModelForCausalLM

        cuda = torch.cuda.is_available()
        chosen = dtype or (torch.bfloat16 if cuda else torch.float32)
        module = AutoModelForCausalLM.from_pretrained(self.place, dtype=chosen)
        return module.to("cuda" if cuda else "cpu").eval()

    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.place)


def on_each(
    names: Iterable[str], texts: Sequence[str], options: Options, rows: Callable[[ModelShape], list[Row]]
) -> list[Row]:
    """`rows` of one shape after another, each with a tokenizer trained on `texts`."""
    found = []
    for name in names:
        with _shape(name, texts, options) as made:
            found += rows(made)
    return found


@contextmanager
def _shape(name: str, texts: Iterable[str], options: Options) -> Iterator[ModelShape]:
    """The model in a folder of its own, gone afterwards."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    settings = SHAPES[name] | ({"num_hidden_layers": 2} if options.quick else {})
    with TemporaryDirectory() as place, torch.random.fork_rng():
        torch.manual_seed(0)
        config = AutoConfig.for_model(**settings)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(place)
        tokenizer_for(texts).save_pretrained(place)
        yield ModelShape(name + (" (2 layers)" if options.quick else ""), Path(place))


def tolerance(fp32: float) -> float:
    """In bf16, which a GPU computes in, the random models' logits are rounded to about 0.01."""
    return 0.1 if torch.cuda.is_available() else fp32
