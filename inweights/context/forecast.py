"""What learning a context would cost at each level of effort, from the times of a few questions and one training step."""

from collections.abc import Mapping, Sequence
from typing import Any

from inweights.context.chunks import Chunk
from inweights.context.passes import Passes
from inweights.context.question_turns import question_counts
from inweights.context.settings import EFFORTS, Settings
from inweights.context.train import initial_update, seconds_of_step
from inweights.context.training_rows import Row, Student
from inweights.models.base import Backbone
from inweights.report.statistics import break_even


def efforts(
    model: Backbone,
    chunks: Sequence[Chunk],
    settings: Settings,
    asking: float,
    rows: Sequence[Row],
    seconds_per_query: Mapping[str, float],
) -> dict[str, Any]:
    """Seconds that each level would take, and after how many queries that has paid. `asking`: seconds of writing and
    answering one question; `rows`: of training, as they will be."""
    texts = [chunk.text for chunk in chunks]
    sizes = [float(len(ids)) for ids in model.encode(texts)]
    learned = initial_update(model, texts, settings)
    student = Student(learned.rows(rows))
    mean_tokens = sum(len(row.tree) for row in student.rows) / len(rows)
    schedule = settings.schedule(len(rows), mean_tokens, model.hidden_size)
    step = seconds_of_step(Passes(learned.model, learned.adapted.parameters, student), schedule.batch_size)
    per_row = step / min(schedule.batch_size, len(rows))
    found = {}
    for name, effort in EFFORTS.items():
        lessons = sum(question_counts(effort, sizes))
        training = lessons * settings.epochs_of(lessons) * per_row / (1 - settings.replay)
        seconds = lessons * asking + training
        rivals = {
            rival: break_even(seconds, seconds_per_query["alone"], 0.0, seconds_per_query[rival])
            for rival in ("icl", "icl-cached", "icl-piece")
            if rival in seconds_per_query
        }
        found[name] = {"lessons": lessons, "seconds": seconds, "break_even": rivals}
    return found
