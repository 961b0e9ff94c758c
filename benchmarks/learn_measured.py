"""What has become of a learnt document: how much of it is known, and what else can still be read, beside the bare model."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.learn_made import Document, Read
from inweights.context.metrics import information_recovered
from inweights.context.qa_tokens import Question
from inweights.context.systems import System, learned_system, respond
from inweights.context.teacher import teacher_answers_of, teacher_kl
from inweights.context.template import Template
from inweights.context.timing import kv_bytes_per_token
from inweights.context.train import LearnedContext
from inweights.engine.learned_prefix import virtual_token_count
from inweights.models.base import Backbone

KINDS = ("worded", "paraphrased", "absent")


@dataclass(frozen=True)
class Side:
    """One figure of what has learnt, and what it is held to."""

    ours: float
    peer: float


def known(model: Backbone, template: Template, document: Document, learned: LearnedContext) -> dict[str, Side]:
    """By name: the information, of 1; right answers by kind, beside the model with the right piece in its prompt;
    questions about new and conflicting contexts answered as the bare model answers them, of 1."""
    teacher = System("icl", model).with_context(document.chunks)
    student = learned_system("distilled", learned)
    ours, peer = (by_kind(each, template, document.tests) for each in (student, teacher))
    return {
        "information": Side(information(model, template, document, learned), 1.0),
        **{kind: Side(ours[kind], peer[kind]) for kind in KINDS},
        "new contexts": Side(_alike(model, template, learned, document.new), 1.0),
        "conflicting contexts": Side(_alike(model, template, learned, document.conflicting), 1.0),
    }


def information(model: Backbone, template: Template, document: Document, learned: LearnedContext) -> float:
    """1 - KL(T || S) / KL(T || B) over all of the document's questions, T behind the piece that each is about."""
    bare: list[float] = []
    student: list[float] = []
    for number, chunk in enumerate(document.chunks):
        told = teacher_answers_of(model, template, chunk.text, [each for each in document.tests if each.chunk == number])
        bare += told.bare
        student += teacher_kl(learned, told)
    value = information_recovered(bare, student).value
    assert value is not None, "the document does not change the model's answers"
    return value


def by_kind(system: System, template: Template, asked: Sequence[Question]) -> dict[str, float]:
    """Share of right answers."""
    right = respond(system, template, asked, "exact-match").scores
    kinds = dict.fromkeys(each.kind for each in asked)
    return {kind: mean(hit for hit, each in zip(right, asked, strict=True) if each.kind == kind) for kind in kinds}


def _alike(model: Backbone, template: Template, learned: LearnedContext, contexts: Sequence[Read]) -> float:
    same: list[bool] = []
    for each in contexts:
        bare = System("bare", model, lambda _, text=each.text: text)  # type: ignore[misc]
        student = System("student", learned.model, bare.context)
        sides = [system.answers(template, each.questions) for system in (bare, student)]
        same += [a == b for a, b in zip(*sides, strict=True)]
    return mean(same)


def byte_counts(model: Backbone, document: Document, learned: LearnedContext) -> dict[str, int]:
    """Of what is handed out, and of the keys and values that a request keeps, beside those of the document in its prompt."""
    tokens = len(model.encode([" ".join(chunk.text for chunk in document.chunks)])[0])
    front = sum(map(virtual_token_count, getattr(learned.model, "patches", ())))
    return {
        "context_tokens": tokens,
        "artifact_bytes": learned_system("", learned).artifact_bytes,
        "kv_bytes": front * kv_bytes_per_token(model),
        "kv_bytes_of_context": tokens * kv_bytes_per_token(model),
    }
