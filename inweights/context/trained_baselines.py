"""What else could be trained on a context, with the same update, steps and code: the teacher's answers, and the text."""

from collections.abc import Sequence

from inweights.context.chunks import Chunk
from inweights.context.settings import Settings
from inweights.context.train import LearnedContext, initial_update, train
from inweights.context.training_rows import Row, row_of
from inweights.context.work_cache import TeacherAnswers
from inweights.engine.trees import Tree
from inweights.models.base import Backbone
from inweights.plain_text import as_data
from inweights.scoring.teacher_logprobs import gold_targets


def sft(
    model: Backbone, chunks: Sequence[Chunk], lessons: TeacherAnswers, settings: Settings, seconds: float
) -> LearnedContext:
    """Supervised fine-tuning: cross-entropy on the very answers the student is distilled on, and no distributions."""
    rows = [row_of(each.alone.tree, gold_targets(each.alone.completion_ids)) for each in lessons.lessons]
    return _trained(model, chunks, rows * settings.epochs_of(len(rows)), settings, seconds)


def next_token(model: Backbone, chunks: Sequence[Chunk], settings: Settings, reads: int, seconds: float) -> LearnedContext:
    """The text itself, token by token, until `reads` tokens have been predicted, as many as the student has."""
    rows = []
    for ids in map(tuple, model.encode([as_data(chunk.text) for chunk in chunks])):
        if len(ids) > 1:
            rows.append(row_of(Tree(ids, reads=tuple(range(len(ids) - 1))), gold_targets(ids[1:])))
    tokens = sum(len(row.told) for row in rows)
    return _trained(model, chunks, rows * max(1, round(reads / max(1, tokens))), settings, seconds)


def _trained(
    model: Backbone, chunks: Sequence[Chunk], rows: Sequence[Row], settings: Settings, seconds: float
) -> LearnedContext:
    import time

    learned = initial_update(model, [as_data(chunk.text) for chunk in chunks], settings)
    train(learned, rows, settings, deadline=time.monotonic() + seconds)
    return learned
