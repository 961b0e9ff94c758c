"""From sources to a folder: read, cut, learnt, measured beside its rivals, written whole and loaded again."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from inweights import models
from inweights.artifact import context_card
from inweights.artifact.context_card import ContextCard, Piece, Probe
from inweights.artifact.learnt import base_of, load, probed, write_form
from inweights.artifact.learnt_readme import readme
from inweights.artifact.manifest import digests
from inweights.artifact.staging import staged
from inweights.artifact.verify import TOLERANCE, RejectedError
from inweights.context.chunks import Chunk, chunks_of
from inweights.context.evaluate import evaluate
from inweights.context.examples import orders, template_of_examples
from inweights.context.learn import Outcome, learn
from inweights.context.lessons import Question, answers, text_of
from inweights.context.settings import Settings
from inweights.context.sources import read_sources
from inweights.context.template import Template, template_of
from inweights.context.train import Learnt
from inweights.context.types import Context
from inweights.meter import measure
from inweights.models.base import LanguageModel
from inweights.records import write_whole
from inweights.types import UserError

PROBES = 32
ASKED = "asked.json"
FORMS = {"lora": ("lora",), "kv": ("kv",), "both": ("lora", "kv"), "merged": ("merged",)}
As = Literal["lora", "kv", "both", "merged"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Material:
    """A model and what it is to learn."""

    model: LanguageModel
    template: Template
    context: Context
    chunks: tuple[Chunk, ...]
    chunk_tokens: int
    own_template: bool
    """The template is the model's own, not one that was given."""
    paths: tuple[str, ...] = ()
    kind: str = "auto"


@dataclass(frozen=True)
class Wish:
    """What is to come of it."""

    form: As = "lora"
    settings: Settings = field(default_factory=Settings)
    queries: tuple[Question, ...] = ()
    tests: tuple[Question, ...] = ()
    rivals: tuple[str, ...] = ("icl", "icl-cached", "rag")
    seconds: float = math.inf


@dataclass(frozen=True)
class Again:
    """What learning an earlier version of a context has left for this one."""

    warm: Mapping[str, Learnt]
    """By form."""
    about: frozenset[int]
    """Pieces that the model is to ask about."""


def material(
    model: str,
    paths: Sequence[str],
    kind: str = "auto",
    template: Template | None = None,
    chunk_tokens: int | None = None,
    dtype: str | None = None,
    device: str | None = None,
) -> Material:
    """Raises UserError where a source or the model cannot be read, or the window is too small for a piece of it."""
    context = read_sources(paths, kind)  # type: ignore[arg-type]
    backbone = models.load(model, dtype, device)
    if backbone.card.family != "causal":
        raise UserError(f"{model} is of the family {backbone.card.family}: a context is learnt by causal language models")
    usual = 128 if model == "embedded" else min(2048, backbone.card.max_tokens // 4)
    of_examples = bool(context.demonstrations) and len(context.sections) == 1
    own = template_of_examples(context) if of_examples else template_of(backbone)
    chosen = template or own
    marks = len(backbone.encode([chosen.context("")])[0])
    tokens = min(chunk_tokens or usual, backbone.card.max_tokens - marks - 64 - chosen.answer_tokens)
    chunks = tuple(orders(context) if of_examples else chunks_of(backbone, context, tokens))
    is_own = template is None and not of_examples
    return Material(backbone, chosen, context, chunks, tokens, is_own, tuple(map(str, paths)), kind)


def learn_to(folder: Path, given: Material, wish: Wish, say: Say, again: Again | None = None) -> dict[str, Any]:
    """Learn, measure and write `folder`; what the card says was measured. Work goes on where it was if it was killed.

    `again`: what an earlier version of the context has left. Raises UserError where `folder` is taken, RejectedError
    where what was written does not answer as it did.
    """
    with staged(folder) as filling:
        outcomes: dict[str, Outcome] = {}
        trained = {"merged": "lora"}
        peak = 0
        forms = FORMS[wish.form]
        for form in forms:
            kind = trained.get(form, form)
            settings = replace(wish.settings, form=kind)  # type: ignore[arg-type]

            def run(settings: Settings = settings, kind: str = kind) -> Outcome:
                return learn(
                    given.model,
                    given.template,
                    given.chunks,
                    settings,
                    work_of(folder),
                    queries=wish.queries,
                    seconds=wish.seconds / len(forms),
                    about=again.about if again else None,
                    warm=again.warm[kind] if again else None,
                    say=say,
                )

            outcomes[form], cost = measure(run, given.model.counter)
            peak = max(peak, cost.peak_bytes)
        remember(work_of(folder), given.chunks, next(iter(outcomes.values())))
        say("asking everything that could answer")
        started = time.monotonic()
        measured = evaluate(given.model, given.template, given.chunks, outcomes, wish.settings, wish.tests, wish.rivals)
        measured |= {"peak_bytes": peak, "evaluation_seconds": time.monotonic() - started}
        measured["skipped"] = [asdict(each) for each in given.context.skipped]
        for form, outcome in outcomes.items():
            place = filling / form if len(forms) > 1 else filling
            write_form(form, outcome.learnt, given.model, place, base_of(given.model).place, asdict(wish.settings))
            size = sum(each.stat().st_size for each in place.iterdir() if each.suffix == ".safetensors")
            measured["learnt"][form]["artefact_bytes"] = size
        _describe(filling, given, wish, forms, next(iter(outcomes.values())), measured)
        _proven(filling, forms)
    return measured


def work_of(folder: Path) -> Path:
    """Where questions, answers and the state of training are kept, to go on from and to update from."""
    return folder.with_name(f"{folder.name}.work")


def remember(work: Path, chunks: Sequence[Chunk], outcome: Outcome) -> None:
    """What was asked, by piece, for a later version of the context."""
    lessons = (*outcome.lessons.lessons, *outcome.held_out.lessons)
    rows = [asdict(each.question) | {"chunk": chunks[each.question.chunk or 0].digest} for each in lessons]
    work.mkdir(parents=True, exist_ok=True)
    write_whole(work / ASKED, json.dumps(rows, ensure_ascii=False))


def _describe(
    folder: Path, given: Material, wish: Wish, forms: Sequence[str], outcome: Outcome, measured: dict[str, Any]
) -> None:
    settings = asdict(wish.settings) | {"template": "own" if given.own_template else "given"}
    card = ContextCard(
        forms=tuple(forms),
        base=base_of(given.model),
        template=asdict(given.template),
        template_digest=given.template.digest,
        sources=given.context.sources,
        paths=given.paths,
        kind=given.kind,
        chunk_tokens=given.chunk_tokens,
        pieces=tuple(Piece(each.source, each.where, each.digest) for each in given.chunks),
        settings=settings,
        measured=measured,
        probes=_probes(given, outcome),
        files=digests(folder),
    )
    context_card.write(card, folder)
    (folder / "README.md").write_text(readme(card), encoding="utf-8")


def _probes(given: Material, outcome: Outcome) -> tuple[Probe, ...]:
    lessons = (*outcome.held_out.lessons, *outcome.lessons.lessons)[:PROBES]
    stems = [outcome.learnt.reads(each.alone).question for each in lessons]
    said = answers(outcome.learnt.model, given.template, None, stems)
    likeliest = probed(outcome.learnt, stems)
    return tuple(
        Probe(each.question.text, text_of(given.model, given.template, answer), each.question.gold, stem, log_probs, tokens)
        for each, stem, answer, (tokens, log_probs) in zip(lessons, stems, said, likeliest, strict=True)
    )


def _proven(folder: Path, forms: Sequence[str]) -> None:
    """Loaded again, it says of the probes what it said."""
    found = load(folder, form=forms[0])
    probes = found.card.probes
    for probe, (tokens, log_probs) in zip(probes, probed(found.learnt, [each.ids for each in probes]), strict=True):
        now = dict(zip(tokens, log_probs, strict=True))
        allowed = TOLERANCE[found.card.base.dtype] * (10 if forms[0] == "merged" else 1)
        far = max(
            abs(now.get(token, -math.inf) - was) for token, was in zip(probe.tokens[:1], probe.log_probs, strict=False)
        )
        if not far <= allowed * max(1.0, abs(probe.log_probs[0])):
            raise RejectedError(
                f"what was written answers otherwise when loaded again (off by {far:.2g} nats): nothing was kept"
            )
