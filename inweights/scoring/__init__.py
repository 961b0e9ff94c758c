"""The fast core: label scores and teacher targets of many queries behind one shared prefix."""

from inweights.scoring.batches import batches_of
from inweights.scoring.labels import label_scores, label_token_log_probs, word_log_probs
from inweights.scoring.overflow import fitting_demonstrations, fitting_example
from inweights.scoring.queries import Queries, queries_of
from inweights.scoring.teacher import Answers, LabelTargets, answers, student_kl, teacher_targets

__all__ = [
    "Answers",
    "LabelTargets",
    "Queries",
    "answers",
    "batches_of",
    "fitting_demonstrations",
    "fitting_example",
    "label_scores",
    "label_token_log_probs",
    "queries_of",
    "student_kl",
    "teacher_targets",
    "word_log_probs",
]
