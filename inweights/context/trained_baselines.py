"""What else a LoRA could be trained on, with the same steps and code: the teacher's answers as text, or the context."""

import time
from collections.abc import Sequence
from dataclasses import replace

from inweights.context.chunks import Chunk
from inweights.context.method_inputs import MethodInputs
from inweights.context.settings import Settings
from inweights.context.train import LearnedContext, initial_update, train
from inweights.context.training_rows import Row, row_of
from inweights.context.work_cache import TeacherAnswers
from inweights.engine.trees import Tree
from inweights.models.base import Backbone
from inweights.plain_text import as_data
from inweights.scoring.teacher_logprobs import gold_targets

LEAST_SECONDS = 10.0
"""Of training, however short that of the first form was."""


def sft_baseline(inputs: MethodInputs) -> LearnedContext:
    return sft(inputs.model, inputs.chunks, inputs.first.answers, replace(inputs.settings, form="lora"), _seconds(inputs))


def next_token_baseline(inputs: MethodInputs) -> LearnedContext:
    """As many tokens are predicted as the student predicts of answers."""
    answers = inputs.first.answers.examples
    reads = inputs.settings.epochs_of(len(answers)) * sum(len(each.alone.completion_ids) for each in answers)
    return next_token(inputs.model, inputs.chunks, replace(inputs.settings, form="lora"), reads, _seconds(inputs))


def _seconds(inputs: MethodInputs) -> float:
    return max(LEAST_SECONDS, inputs.first.seconds.get("training", 60.0))


def sft(
    model: Backbone, chunks: Sequence[Chunk], answered: TeacherAnswers, settings: Settings, seconds: float
) -> LearnedContext:
    """Supervised fine-tuning: cross-entropy on the very answers the student is distilled on, and no distributions."""
    rows = [row_of(each.alone.tree, gold_targets(each.alone.completion_ids)) for each in answered.examples]
    return _trained(model, chunks, rows * settings.epochs_of(len(rows)), settings, seconds)


def next_token(model: Backbone, chunks: Sequence[Chunk], settings: Settings, reads: int, seconds: float) -> LearnedContext:
    """The text itself, token by token, until `reads` tokens have been predicted, as many as the student has."""
    rows = []
    for ids in map(tuple, model.encode([as_data(chunk.text) for chunk in chunks])):
        if len(ids) > 1:
            rows.append(row_of(Tree(ids, reads=tuple(range(len(ids) - 1))), gold_targets(ids[1:])))
    tokens = sum(len(row.logprobs) for row in rows)
    return _trained(model, chunks, rows * max(1, round(reads / max(1, tokens))), settings, seconds)


def _trained(
    model: Backbone, chunks: Sequence[Chunk], rows: Sequence[Row], settings: Settings, seconds: float
) -> LearnedContext:
    learned = initial_update(model, [as_data(chunk.text) for chunk in chunks], settings)
    train(learned, rows, settings, deadline=time.monotonic() + seconds)
    return learned
