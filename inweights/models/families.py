"""Model families: how transformers and PEFT load each, what stands for a text in it, and what it can be asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from inweights.models.card import ModelCard
from inweights.models.causal import CausalLM, causal_lm
from inweights.models.encoder import Encoder, encoder
from inweights.types import Ability

TaskType = Literal["CAUSAL_LM", "SEQ_CLS", "FEATURE_EXTRACTION"]
"""PEFT's names for what a model is loaded as."""
AUTO_CLASSES: Mapping[TaskType, str] = MappingProxyType(
    {
        "CAUSAL_LM": "AutoModelForCausalLM",
        "SEQ_CLS": "AutoModelForSequenceClassification",
        "FEATURE_EXTRACTION": "AutoModel",
    }
)
"""The class of transformers that loads a model as that."""
ENCODERS = ("bert", "roberta", "distilbert", "deberta", "electra", "mpnet", "albert", "modernbert", "camembert")
"""How `model_type` begins, or ends after a hyphen, in encoders."""


@dataclass(frozen=True)
class Family:
    task_type: TaskType
    """What its backbone is loaded as."""
    summary: Literal["first", "last"]
    """The token whose hidden state stands for a text."""
    head_pooling: Literal["own", "mean"]
    """What a new head reads by default: the summary, or the mean over all tokens, from which a few shots teach an
    encoder more (MiniLM, 16 shots: TREC .62 against .33)."""
    head_bias: bool
    """As in the classifiers that transformers has for it."""
    abilities: frozenset[Ability]
    of: Callable[[ModelCard, Any, Any], CausalLM | Encoder]
    """From a card, transformers' model and its tokenizer; set to read whole padded prompts."""

    @property
    def auto(self) -> Any:
        """The class of transformers that loads it."""
        import transformers

        return getattr(transformers, AUTO_CLASSES[self.task_type])


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "causal": Family(
            "CAUSAL_LM", "last", "own", False, frozenset({"choices", "text", "states", "prefix", "weights"}), causal_lm
        ),
        "encoder": Family("FEATURE_EXTRACTION", "first", "mean", True, frozenset({"states", "weights"}), encoder),
    }
)


def family_of(config: Any) -> str:
    """The name of a model's family, from its transformers configuration."""
    kind = config.model_type
    return "encoder" if any(kind.startswith(each) or kind.endswith(f"-{each}") for each in ENCODERS) else "causal"
