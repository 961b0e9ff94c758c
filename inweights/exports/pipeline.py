"""From sources to a folder: read, cut, learnt, measured beside its rivals, written whole and loaded again."""

import json
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from inweights import models
from inweights.context.chunks import Chunk, chunk_of_whole, chunks_of
from inweights.context.demonstrations import orders, template_of_examples
from inweights.context.evaluate import evaluate
from inweights.context.learn import Outcome, learn
from inweights.context.qa_tokens import Question, answers, asked, text_of
from inweights.context.settings import Form, Settings
from inweights.context.template import Template, system_template_of, template_of
from inweights.context.train import LearnedContext
from inweights.exports import context_card
from inweights.exports.context_card import ContextCard, Piece, Probe
from inweights.exports.context_readme import readme
from inweights.exports.learn_study import write_records
from inweights.exports.load_context import chat_template, likeliest, tokenizer_digest, write_form
from inweights.exports.manifest import base_of, digests, place_of
from inweights.exports.staging import refuse_occupied, staged
from inweights.exports.verify import verify
from inweights.learn_records import LearnReport, Skipped
from inweights.meter import measure
from inweights.models.base import Backbone
from inweights.records import write_whole
from inweights.sources import read_sources
from inweights.sources.types import Context
from inweights.types import UserError, Weights

PROBES = 32
USUAL_TOKENS = 2048
"""Of a piece; a shorter text is one piece, and its teacher reads it whole."""
RATE = 0.3
"""Of the learning rate, to go on from what was learnt: with all of it, that was lost first, and learnt again."""
EPOCHS = 0.5
"""Of those that learning anew takes: what is known already is only kept."""
ASKED = "asked.json"
FORMS = {"lora": ("lora",), "kv": ("kv",), "both": ("lora", "kv"), "merged": ("merged",)}
As = Literal["lora", "kv", "both", "merged"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class LearnInputs:
    """A model and what it is to learn."""

    model: Backbone
    template: Template
    context: Context
    chunks: tuple[Chunk, ...]
    chunk_tokens: int
    own_template: bool
    """The template is the model's own, not one that was given."""
    paths: tuple[str, ...] = ()
    kind: str = "auto"


@dataclass(frozen=True)
class LearnRequest:
    """What is to come of it."""

    form: As = "lora"
    settings: Settings = field(default_factory=Settings)
    queries: tuple[Question, ...] = ()
    tests: tuple[Question, ...] = ()
    rivals: tuple[str, ...] = ("icl", "icl-cached", "rag")
    seconds: float = math.inf
    own: bool = False
    """The model asks as well where queries are given."""


@dataclass(frozen=True)
class WarmStart:
    """What learning an earlier version of a context has left for this one."""

    warm: Mapping[str, LearnedContext]
    """By form."""
    about: frozenset[int]
    """Pieces that the model is to ask about."""
    unlearnt: Callable[[str, LearnedContext], dict[str, int]]
    """By form and what it has learnt now: what has become of the answers that are others now."""


def material(
    model: str,
    paths: Sequence[str],
    kind: str = "auto",
    template: Template | None = None,
    chunk_tokens: int | None = None,
    answer_tokens: int | None = None,
    dtype: str | None = None,
    device: str | None = None,
) -> LearnInputs:
    """Raises UserError where a source or the model cannot be read, or the window is too small for a piece of it."""
    context = read_sources(paths, kind)  # type: ignore[arg-type]
    backbone = models.load(model, dtype, device)
    if "text" not in backbone.card.abilities:
        raise UserError(f"{model} is of the family {backbone.card.family}: a context is learnt by causal language models")
    usual = 128 if model == "embedded" else min(USUAL_TOKENS, backbone.card.max_tokens // 4)
    of_examples = bool(context.demonstrations) and len(context.sections) == 1
    of_prompt = not context.demonstrations and kind in ("prompt", "system") and model != "embedded"
    of_model = system_template_of(backbone) if of_prompt else template_of(backbone)
    own = template_of_examples(context) if of_examples else of_model
    chosen = template or own
    if answer_tokens is not None:
        chosen = replace(chosen, answer_tokens=answer_tokens)
    marks = len(backbone.encode([chosen.context("")])[0])
    tokens = min(chunk_tokens or usual, backbone.card.max_tokens - marks - 64 - chosen.answer_tokens)
    if of_examples or of_prompt:
        chunks = tuple(orders(context) if of_examples else [chunk_of_whole(context)])
    else:
        chunks = tuple(chunks_of(backbone, context, tokens))
    is_own = template is None and not of_examples
    return LearnInputs(
        backbone, chosen, context, chunks, tokens, is_own, tuple(str(Path(each).resolve()) for each in paths), kind
    )


def learn_into(
    folder: Path, given: LearnInputs, wish: LearnRequest, say: Say, again: WarmStart | None = None
) -> LearnReport:
    """Learn, measure and write `folder`; what the card says was measured. A run that was killed goes on where it was.

    `again`: what an earlier version of the context has left. Raises UserError where `folder` is taken, RejectedError
    where the export gives other log-probabilities in a fresh process, loaded by PEFT alone too.
    """
    refuse_occupied(folder)
    check_lengths(given, [*wish.queries, *wish.tests])
    forms = FORMS[wish.form]
    outcomes: dict[str, Outcome] = {}
    peak, end = 0, time.monotonic() + wish.seconds
    for number, form in enumerate(forms):
        left = (end - time.monotonic()) / (len(forms) - number)
        outcomes[form], cost = measure(partial(_learnt, folder, given, wish, form, left, say, again), given.model.counter)
        peak = max(peak, cost.peak_bytes)
    remember(work_of(folder), given.chunks, outcomes.values())
    say("evaluating every system")
    started = time.monotonic()
    report = evaluate(given.model, given.template, given.chunks, outcomes, wish.settings, wish.tests, wish.rivals)
    skipped = tuple(Skipped(each.source, each.reason) for each in given.context.skipped)
    report = replace(report, peak_bytes=peak, evaluation_seconds=time.monotonic() - started, skipped=skipped)
    unlearned = {form: again.unlearnt(form, each.learned) for form, each in outcomes.items()} if again else {}
    with staged(folder) as filling:
        sizes = {form: _written(form, outcome, given, wish, filling, len(forms)) for form, outcome in outcomes.items()}
        results = {
            form: replace(each, artifact_bytes=sizes[form], unlearned=unlearned.get(form, {}))
            for form, each in report.forms.items()
        }
        report = replace(report, forms=results)
        _describe(filling, given, wish, outcomes, report)
        say(str(verify(filling)))
    weights = Weights(given.model.card.name, dtype=given.model.card.dtype)  # type: ignore[arg-type]
    write_records(work_of(folder), report, weights, given.context.sources, wish.settings.seed)
    return report


def _written(form: str, outcome: Outcome, given: LearnInputs, wish: LearnRequest, folder: Path, forms: int) -> int:
    """Bytes of the form's tensors on disk."""
    place = folder / form if forms > 1 else folder
    write_form(form, outcome.learned, given.model, place, place_of(given.model.card.name), asdict(wish.settings))
    return sum(each.stat().st_size for each in place.iterdir() if each.suffix == ".safetensors")


def _learnt(
    folder: Path, given: LearnInputs, wish: LearnRequest, form: str, seconds: float, say: Say, again: WarmStart | None
) -> Outcome:
    kind: Form = "kv" if form == "kv" else "lora"
    settings = replace(wish.settings, form=kind)
    if again:
        rate = RATE * settings.peak_lr(given.model.hidden_size)
        epochs = max(1, round(EPOCHS * settings.epochs)) if settings.epochs else None
        steps = max(1, round(EPOCHS * settings.minimum_steps)) if settings.minimum_steps > 1 else None
        settings = replace(settings, epochs=epochs, steps=steps, lr=rate, width=None)
    return learn(
        given.model,
        given.template,
        given.chunks,
        settings,
        work_of(folder),
        queries=wish.queries,
        seconds=seconds,
        about=again.about if again else range(len(given.chunks)) if wish.own and wish.queries else None,
        warm=again.warm[kind] if again else None,
        say=say,
        remedy=_remedy(wish, again),
    )


def _remedy(wish: LearnRequest, again: WarmStart | None) -> str:
    """Where too few questions will be held out; "" where verdicts are about other questions."""
    if wish.tests:
        return ""
    return "give --test" if again else "raise --held-out, or give --test"


def check_lengths(given: LearnInputs, questions: Sequence[Question]) -> None:
    """Raises UserError where a question does not fit beside a piece: before anything is asked, not after training."""
    if questions:
        longest = max(questions, key=lambda each: len(each.text))
        asked(given.model, given.template, max(given.chunks, key=lambda each: len(each.text)).text, [longest.text])


def work_of(folder: Path) -> Path:
    """Where questions, answers and the state of training are kept, to go on from and to update from."""
    return folder.with_name(f"{folder.name}.work")


def remember(work: Path, chunks: Sequence[Chunk], outcomes: Iterable[Outcome]) -> None:
    """What was asked, by piece, for a later version of the context."""
    lessons = [each for one in outcomes for each in (*one.lessons.lessons, *one.held_out.lessons)]
    questions = list(dict.fromkeys(each.question for each in lessons))
    rows = [asdict(each) | {"chunk": chunks[each.chunk or 0].digest} for each in questions]
    work.mkdir(parents=True, exist_ok=True)
    write_whole(work / ASKED, json.dumps(rows, ensure_ascii=False))


def _describe(
    folder: Path, given: LearnInputs, wish: LearnRequest, outcomes: Mapping[str, Outcome], report: LearnReport
) -> None:
    settings = asdict(wish.settings) | {"chat_template": chat_template(given.model) if given.own_template else ""}
    card = ContextCard(
        forms=tuple(outcomes),
        base=base_of(given.model, tokenizer_digest(given.model)),
        template=asdict(given.template),
        template_digest=given.template.digest,
        sources=given.context.sources,
        paths=given.paths,
        kind=given.kind,
        chunk_tokens=given.chunk_tokens,
        pieces=tuple(Piece(each.source, each.where, each.digest) for each in given.chunks),
        settings=settings,
        report=report,
        probes=_probes(given, outcomes),
        files=digests(folder),
    )
    context_card.write(card, folder)
    (folder / "README.md").write_text(readme(card), encoding="utf-8")


def _probes(given: LearnInputs, outcomes: Mapping[str, Outcome]) -> tuple[Probe, ...]:
    """Questions from all over the document with the first form's answers, and what each form begins an answer with."""
    first = next(iter(outcomes.values()))
    known = first.held_out.lessons or first.lessons.lessons
    lessons = random.Random("probes").sample(known, min(PROBES, len(known)))
    stems = {form: [each.learned.reads(one.alone).prompt_ids for one in lessons] for form, each in outcomes.items()}
    said = answers(first.learned.model, given.template, None, next(iter(stems.values())))
    return tuple(
        Probe(
            lesson.question.text,
            text_of(given.model, given.template, said[number]),
            lesson.question.gold,
            {form: likeliest(each.learned, stems[form][number]) for form, each in outcomes.items()},
        )
        for number, lesson in enumerate(lessons)
    )
