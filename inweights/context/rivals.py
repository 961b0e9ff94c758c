"""What else could be trained on a context, with the same update, steps and code: the teacher's answers, and the text."""

from collections.abc import Sequence

import torch

from inweights.context.chunks import Chunk
from inweights.context.settings import Settings
from inweights.context.store import Taught
from inweights.context.student import Row, row_of
from inweights.context.train import Learnt, begun, train
from inweights.models.base import LanguageModel, Tree
from inweights.scoring.told import Told


def sft(model: LanguageModel, chunks: Sequence[Chunk], lessons: Taught, settings: Settings, seconds: float) -> Learnt:
    """Supervised fine-tuning: cross-entropy on the very answers the student is distilled on, and no distributions."""
    rows = [row_of(each.alone.tree, certain(each.alone.answer)) for each in lessons.lessons]
    return _trained(model, chunks, rows * settings.epochs, settings, seconds)


def next_token(model: LanguageModel, chunks: Sequence[Chunk], settings: Settings, reads: int, seconds: float) -> Learnt:
    """The text itself, token by token, until `reads` tokens have been predicted, as many as the student has."""
    rows = []
    for ids in map(tuple, model.encode([chunk.text for chunk in chunks])):
        if len(ids) > 1:
            rows.append(row_of(Tree(ids, reads=tuple(range(len(ids) - 1))), certain(ids[1:])))
    tokens = sum(len(row.told.ids) for row in rows)
    return _trained(model, chunks, rows * max(1, round(reads / max(1, tokens))), settings, seconds)


def certain(tokens: Sequence[int]) -> Told:
    """A teacher that knows the next token for sure: its divergence is the cross-entropy."""
    cells = torch.tensor([[0.0, -torch.inf]]).repeat(len(tokens), 1)
    return Told(torch.tensor(tokens, dtype=torch.int)[:, None], cells)


def _trained(
    model: LanguageModel, chunks: Sequence[Chunk], rows: Sequence[Row], settings: Settings, seconds: float
) -> Learnt:
    import time

    learnt = begun(model, [chunk.text for chunk in chunks], settings)
    train(learnt, rows, settings, deadline=time.monotonic() + seconds)
    return learnt
