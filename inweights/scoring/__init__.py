"""The fast core: label scores and teacher targets of many queries behind one shared prefix."""

from inweights.scoring.batches import batches_of
from inweights.scoring.labels import label_scores, label_token_log_probs
from inweights.scoring.overflow import fitting_demonstrations
from inweights.scoring.queries import Queries, queries_of

__all__ = [
    "Queries",
    "batches_of",
    "fitting_demonstrations",
    "label_scores",
    "label_token_log_probs",
    "queries_of",
]
