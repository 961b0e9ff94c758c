"""The folder of a learned context: each form's files, the card with what was measured, probes to verify it by."""

import random
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from inweights.cards import digests
from inweights.context.conversation import spelled
from inweights.context.learn import LearningResult
from inweights.context.systems import learned_system
from inweights.exports import context_card, context_readme
from inweights.exports.context_card import ContextCard, Piece, Probe
from inweights.exports.load_context import chat_template, likeliest, tokenizer_digest, write_form
from inweights.exports.manifest import base_of, place_of
from inweights.learn_records import LearnReport
from inweights.learning.inputs import LearnInputs
from inweights.learning.request import LearnRequest

PROBES = 32

Results = Mapping[str, LearningResult]
"""By form."""


def write_context(
    folder: Path, inputs: LearnInputs, request: LearnRequest, results: Results, report: LearnReport
) -> LearnReport:
    """Fill an empty folder; the report with the size of what was written."""
    sizes = {form: _write_form(folder, form, result, inputs, request, len(results)) for form, result in results.items()}
    forms = {form: replace(each, artifact_bytes=sizes[form]) for form, each in report.forms.items()}
    report = replace(report, forms=forms)
    card = _card(folder, inputs, request, results, report)
    context_card.write(card, folder)
    context_readme.write(card, folder)
    return report


def _write_form(
    folder: Path, form: str, result: LearningResult, inputs: LearnInputs, request: LearnRequest, forms: int
) -> int:
    """Bytes of the form's tensors on disk."""
    place = folder / form if forms > 1 else folder
    write_form(form, result.learned, inputs.model, place, place_of(inputs.model.card.name), asdict(request.settings))
    return sum(each.stat().st_size for each in place.iterdir() if each.suffix == ".safetensors")


def _card(folder: Path, inputs: LearnInputs, request: LearnRequest, results: Results, report: LearnReport) -> ContextCard:
    settings = asdict(request.settings) | {"chat_template": chat_template(inputs.model) if inputs.own_template else ""}
    return ContextCard(
        forms=tuple(results),
        base=base_of(inputs.model, tokenizer_digest(inputs.model)),
        template=asdict(inputs.template),
        template_digest=inputs.template.digest,
        sources=inputs.context.sources,
        paths=inputs.paths,
        kind=inputs.kind,
        chunk_tokens=inputs.chunk_tokens,
        pieces=tuple(Piece(each.source, each.where, each.digest) for each in inputs.chunks),
        settings=settings,
        report=report,
        probes=_probes(inputs, results),
        files=digests(folder),
    )


def _probes(inputs: LearnInputs, results: Results) -> tuple[Probe, ...]:
    """Questions from all over the document with the first form's answers, and what each form begins an answer with."""
    first = next(iter(results.values()))
    answered = first.held_out.examples or first.answers.examples
    drawn = random.Random("probes").sample(answered, min(PROBES, len(answered)))
    prompts = {form: [each.learned.reads(one.alone).prompt_ids for one in drawn] for form, each in results.items()}
    outputs = learned_system("", first.learned).answers(inputs.template, [each.question for each in drawn])
    return tuple(
        Probe(
            spelled(each.question.text),
            outputs[number],
            each.question.gold,
            {form: likeliest(result.learned, prompts[form][number]) for form, result in results.items()},
        )
        for number, each in enumerate(drawn)
    )
