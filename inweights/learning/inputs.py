"""What is learned: a model, a context in pieces that fit its window, and how questions about it read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inweights import models
from inweights.context.chunks import Chunk, chunk_of_whole, chunks_of
from inweights.context.demonstrations import orders, template_of_examples
from inweights.context.other_model import OtherModel, refuse_unfit
from inweights.context.qa_tokens import Question, question_tokens
from inweights.context.surroundings import QUESTION_TOKENS
from inweights.context.template import Template, system_template_of, template_of
from inweights.models.base import Backbone
from inweights.sources import read_sources
from inweights.sources.types import Context
from inweights.types import UserError, Weights

DEFAULT_TOKENS = 2048
"""Of a piece; a shorter text is one piece, and its teacher reads it whole."""


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
    asker: OtherModel | None = None
    """Writes the questions in place of the model."""
    teacher: OtherModel | None = None
    """Answers them with the context in place of the model."""


def read_inputs(
    model: str,
    paths: Sequence[str],
    kind: str = "auto",
    template: Template | None = None,
    chunk_tokens: int | None = None,
    answer_tokens: int | None = None,
    dtype: str | None = None,
    device: str | None = None,
    asker: str = "",
    teacher: str = "",
) -> LearnInputs:
    """`asker`, `teacher`: models as `--model` names them, or `NAME@DTYPE`; "": the model itself.

    Raises UserError where a source or a model cannot be read or does not fit its part, or the window is too small for a
    piece.
    """
    context = read_sources(paths, kind)  # type: ignore[arg-type]
    backbone = models.load(model, dtype, device)
    if "text" not in backbone.card.abilities:
        raise UserError(f"{model} is of the family {backbone.card.family}: a context is learned by causal language models")
    refuse_unfit(backbone, asker, teacher)
    of_examples = bool(context.demonstrations) and len(context.sections) == 1
    of_prompt = not context.demonstrations and kind in ("prompt", "system") and model != "embedded"
    of_model = system_template_of if of_prompt else template_of
    chosen = template or (template_of_examples(context) if of_examples else of_model(backbone))
    if answer_tokens is not None:
        chosen = replace(chosen, answer_tokens=answer_tokens)
    default = 128 if model == "embedded" else min(DEFAULT_TOKENS, backbone.card.max_tokens // 4)
    tokens = min(chunk_tokens or default, _room(backbone, chosen))
    if of_examples or of_prompt:
        chunks = tuple(orders(context) if of_examples else [chunk_of_whole(context)])
    else:
        chunks = tuple(chunks_of(backbone, context, tokens))
    is_own = template is None and not of_examples
    absolute = tuple(str(Path(each).resolve()) for each in paths)
    asks = (lambda _: chosen) if of_examples else of_model
    teaches = _teacher_template(chosen, of_model) if is_own and backbone.chat_template else lambda _: chosen
    others = _other(asker, asks, device), _other(teacher, teaches, device)
    return LearnInputs(backbone, chosen, context, chunks, tokens, is_own, absolute, kind, *others)


def _other(name: str, template: Callable[[Backbone], Template], device: str | None) -> OtherModel | None:
    return OtherModel(Weights.parse(name), template, device) if name else None


def _teacher_template(chosen: Template, of_model: Callable[[Backbone], Template]) -> Callable[[Backbone], Template]:
    """A teacher reads its own chat template, with answers as long as the student's; without one the student's."""

    def template(model: Backbone) -> Template:
        own = of_model(model) if model.chat_template else chosen
        return replace(own, answer_tokens=chosen.answer_tokens)

    return template


def _room(model: Backbone, template: Template) -> int:
    """Tokens of the window that a piece can have beside the template's own words, a question and its answer."""
    return model.card.max_tokens - len(model.encode([template.context("")])[0]) - QUESTION_TOKENS - template.answer_tokens


def check_lengths(inputs: LearnInputs, questions: Sequence[Question]) -> None:
    """Raises UserError where a question does not fit beside a piece: before anything is asked, not after training."""
    if questions:
        longest = max(questions, key=lambda each: len(each.text))
        piece = max(inputs.chunks, key=lambda each: len(each.text))
        question_tokens(inputs.model, inputs.template, piece.text, [longest.text])
