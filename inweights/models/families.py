"""Model families: how transformers and PEFT load a model, which hidden state stands for a text, and its abilities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from inweights.models.base import Backbone
from inweights.models.card import ModelCard
from inweights.models.causal import causal_lm
from inweights.models.encoder import encoder
from inweights.types import Ability

TaskType = Literal["CAUSAL_LM", "SEQ_CLS", "FEATURE_EXTRACTION"]
"""PEFT's names for the classes that load a model."""
AUTO_CLASSES: Mapping[TaskType, str] = MappingProxyType(
    {
        "CAUSAL_LM": "AutoModelForCausalLM",
        "SEQ_CLS": "AutoModelForSequenceClassification",
        "FEATURE_EXTRACTION": "AutoModel",
    }
)
"""The class of transformers for each."""
ENCODERS = ("bert", "roberta", "distilbert", "deberta", "electra", "mpnet", "albert", "modernbert", "camembert")
"""An encoder's `model_type` begins with one of these, or ends with one after a hyphen."""


@dataclass(frozen=True)
class Family:
    task_type: TaskType
    """How its backbone is loaded."""
    summary: Literal["first", "last"]
    """The token whose hidden state stands for a text."""
    head_pooling: Literal["own", "mean"]
    """What a new head reads by default: the summary, or the mean over all tokens, with which an encoder learns more from
    few shots (MiniLM, 16 shots: TREC .62 against .33)."""
    head_bias: bool
    """As the classifiers of transformers for this family have it."""
    abilities: frozenset[Ability]
    of: Callable[[ModelCard, Any, Any], Backbone]
    """From a card, transformers' model and its tokenizer. A `CausalLM` or an `Encoder` is set to pack
    where that gives the same outputs (`packing_check.py`); any other class is used as it is."""
    recognizes: Callable[[Any], bool]
    """Whether a model is of this family, from its transformers configuration; the last row that says so counts."""

    @property
    def auto(self) -> Any:
        """The class of transformers that loads it."""
        import transformers

        return getattr(transformers, AUTO_CLASSES[self.task_type])


def _is_encoder(config: Any) -> bool:
    kind = config.model_type
    return any(kind.startswith(name) or kind.endswith(f"-{name}") for name in ENCODERS)


FAMILIES: dict[str, Family] = {
    "causal": Family(
        task_type="CAUSAL_LM",
        summary="last",
        head_pooling="own",
        head_bias=False,
        abilities=frozenset({"choices", "text", "states", "prefix", "weights"}),
        of=causal_lm,
        recognizes=lambda config: True,
    ),
    "encoder": Family(
        task_type="FEATURE_EXTRACTION",
        summary="first",
        head_pooling="mean",
        head_bias=True,
        abilities=frozenset({"states", "weights"}),
        of=encoder,
        recognizes=_is_encoder,
    ),
}


def family_of(config: Any) -> str:
    """The name of a model's family, from its transformers configuration."""
    return next(name for name, family in reversed(FAMILIES.items()) if family.recognizes(config))
