"""How a system answers some questions: its greedy answers, and the log-probability it gives to the gold ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from inweights.context.memory import reading_tokens
from inweights.context.qa_tokens import Question, answers, text_of
from inweights.context.template import Template
from inweights.engine.trees import Prefix
from inweights.metrics import METRICS, Metric
from inweights.models.base import Backbone
from inweights.models.shared_prefix import common
from inweights.plain_text import as_data
from inweights.scoring.completions import Completion, read_completions

OPENING = "The answer is"
"""Of a chat model's reply: the bare gold text is no natural beginning of one, and its log-probability would say how
unlikely so short a reply is. A pattern such as `Answer:` is an opening already."""


def primary_metric(template: Template, given: bool) -> Metric:
    """The metric that verdicts are about.

    `exact-match` where the model answers with one token. `contained` where gold answers are given: a chat model answers
    in sentences, and a base model goes on talking. `token-f1` where the teacher's own answers count as right: no answer
    contains another sentence word for word.
    """
    if template.answer_tokens == 1:
        return "exact-match"
    return "contained" if given else "token-f1"


@dataclass(frozen=True)
class Responses:
    """How one system answered some questions."""

    texts: tuple[str, ...]
    gold_log_probs: tuple[float, ...]
    """Of the gold answer, nats per token; nan where none is known."""

    def scores(self, questions: Sequence[Question], metric: Metric) -> list[float]:
        return [METRICS[metric](text, each.gold) for text, each in zip(self.texts, questions, strict=True)]


@torch.no_grad()
def responses(
    model: Backbone,
    template: Template,
    prefix: Prefix | None,
    stems: Sequence[tuple[int, ...]],
    questions: Sequence[Question],
) -> Responses:
    """The system's responses. `stems`: the questions in tokens, as they follow the prefix."""
    texts = tuple(text_of(model, template, each) for each in answers(model, template, prefix, stems))
    known = [number for number, each in enumerate(questions) if each.gold]
    pairs = [_opened(model, template, stems[number], questions[number]) for number in known]

    def of(numbers: Sequence[int], rows: Sequence[torch.Tensor]) -> list[float]:
        found = []
        for number, row in zip(numbers, rows, strict=True):
            ids = torch.tensor(pairs[number].completion_ids, device=row.device)
            found.append(float(row.log_softmax(-1).gather(1, ids[:, None]).mean()))
        return found

    read = read_completions(model, prefix, pairs, of, reading_tokens(model)) if pairs else []
    log_probs = dict(zip(known, read, strict=True))
    return Responses(texts, tuple(log_probs.get(number, float("nan")) for number in range(len(questions))))


def _opened(model: Backbone, template: Template, stem: tuple[int, ...], question: Question) -> Completion:
    """The question with the opening of a reply, and the tokens that the gold answer adds to it."""
    bare = template.bare(question.text)
    opened = bare if template.end else bare + OPENING
    space = "" if opened[-1:].isspace() else " "
    before, opening, whole = model.encode([bare, opened, opened + space + as_data(question.gold)])
    shared, at = common(before, opening), common(opening, whole)
    prompt = (*stem[: len(stem) - (len(before) - shared)], *opening[shared:])
    return Completion(prompt[: len(prompt) - (len(opening) - at)], tuple(whole[at:]))
