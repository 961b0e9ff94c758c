"""The last steps on the student's own answers (on-policy context distillation, arXiv 2602.12275).

Learning from the teacher's answers alone, a student is never shown what to do where its own differ. Here it answers,
the teacher with the context says what it thinks of every token of that, and the reverse KL is brought down.
"""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from inweights.context.chunks import Chunk
from inweights.context.memory import reading_tokens
from inweights.context.qa_tokens import answers, question_tokens
from inweights.context.settings import MINIMUM_BATCH, Settings
from inweights.context.template import Template
from inweights.context.train import LearnedContext, train
from inweights.context.training_rows import Row, row_of
from inweights.context.work_cache import TeacherAnswers
from inweights.models.base import Backbone
from inweights.models.next_token import sampling
from inweights.scoring.completions import Completion, teacher_logprobs
from inweights.scoring.teacher_logprobs import TeacherLogprobs

TURNS = 4
"""Of answering and training: in between, the answers are those of an older student."""


def polish(
    learned: LearnedContext,
    teacher: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    answered: TeacherAnswers,
    settings: Settings,
    deadline: float = math.inf,
) -> tuple[float, ...]:
    """Train on for `settings.polish` of the steps; the losses. `deadline`: on time.monotonic(), for each turn's share."""
    rng = random.Random(f"polish {settings.seed}")
    choose = sampling(1.0, torch.Generator().manual_seed(rng.getrandbits(63)))
    losses: tuple[float, ...] = ()
    epochs = settings.epochs_of(len(answered.examples))
    count = max(1, round(settings.polish * epochs * len(answered.examples) / TURNS))
    steps = 1 if settings.epochs else math.ceil(count / MINIMUM_BATCH)
    gentle = replace(settings, lr=settings.peak_lr(teacher.hidden_size) / 4, width=None, steps=steps)
    for turn in range(TURNS):
        until = time.monotonic() + (deadline - time.monotonic()) / (TURNS - turn)
        part = rng.sample(answered.examples * math.ceil(count / len(answered.examples)), count)
        rows: list[Row] = []
        for number in sorted({each.question.chunk or 0 for each in part}):
            own = [each for each in part if (each.question.chunk or 0) == number]
            read = question_tokens(teacher, template, chunks[number].text, [each.question.text for each in own])
            stems = [learned.reads(each.alone).prompt_ids for each in own]
            said = answers(learned.model, template, None, stems, choose)
            pairs = [
                (stem, bare, answer)
                for stem, bare, answer in zip(read.with_context, read.alone, said, strict=True)
                if answer
            ]
            with_context = [Completion(stem, answer) for stem, _, answer in pairs]
            logprobs = teacher_logprobs(teacher, read.prefix, with_context, batch_tokens=reading_tokens(teacher))
            rows += [
                row_of(Completion(bare, answer).tree, each) for (_, bare, answer), each in zip(pairs, logprobs, strict=True)
            ]
        losses += train(learned, rows, gentle, divergence=TeacherLogprobs.kl_from, deadline=until).losses
    return losses
