"""Label scores with a model's bias towards some label words taken out; both are a constant per label."""

from jaxtyping import Float
from torch import Tensor

from inweights.models.base import Backbone
from inweights.scoring.labels import label_logits
from inweights.types import Example, Prompt

CONTENT_FREE = ("N/A", "[MASK]", "")


def contextual(model: Backbone, prompt: Prompt, context: str, batch_tokens: int = 8192) -> Float[Tensor, " labels"]:
    """Log of the mean label distribution of content-free queries, every field filled alike (Zhao et al. 2021)."""
    empty = [Example(dict.fromkeys(prompt.field_names, text)) for text in CONTENT_FREE]
    # A pattern of fields alone reads as nothing when they are empty, and nothing can't be asked about.
    empty = [example for example in empty if prompt.body(example).strip()]
    [scores] = label_logits(model, prompt, [(empty, context)], batch_tokens=batch_tokens)
    return scores.log_softmax(-1).exp().mean(0).log()


def batch(scores: Float[Tensor, "inputs labels"]) -> Float[Tensor, " labels"]:
    """Mean label log-probabilities over the scores of a batch of unlabelled inputs (Zhou et al. 2023).

    The paper's batch is the test set; here it is inputs that may be learnt from, fixed beforehand, so that the score
    of an example does not depend on what else is asked.
    """
    return scores.log_softmax(-1).mean(0)
