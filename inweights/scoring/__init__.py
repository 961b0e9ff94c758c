"""The fast core: label scores and teacher targets of many queries that share a prefix."""

from inweights.models.batched_forward import batches_of, tokens_at_once
from inweights.models.choice_scores import longest_word, only_tokens, token_log_probs, word_logits
from inweights.models.queries import Queries
from inweights.scoring.labels import label_logits, label_scores, label_scores_of_each, queries_of
from inweights.scoring.teacher import LabelTargets, teacher_targets
from inweights.scoring.truncation import (
    fitting_demonstrations,
    fitting_example,
    longest_word_tokens,
    texts_within,
    words_within,
)

__all__ = [
    "LabelTargets",
    "Queries",
    "batches_of",
    "fitting_demonstrations",
    "fitting_example",
    "label_logits",
    "label_scores",
    "label_scores_of_each",
    "longest_word",
    "longest_word_tokens",
    "only_tokens",
    "queries_of",
    "teacher_targets",
    "texts_within",
    "token_log_probs",
    "tokens_at_once",
    "word_logits",
    "words_within",
]
