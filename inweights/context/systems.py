"""A system that answers questions about a context: a model, and the text that it has in front of each question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean

import torch

from inweights.context.chunks import Chunk
from inweights.context.memory import reading_tokens
from inweights.context.qa_tokens import Question
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.metrics import METRICS, Metric
from inweights.models.base import Backbone
from inweights.models.choice_scores import token_log_probs_of_each
from inweights.plain_text import as_data
from inweights.types import Outcome, Query

OPENING = "The answer is"
"""Of a chat model's reply: the bare gold text is no natural beginning of one, and its log-probability would say how
unlikely so short a reply is. A pattern such as `Answer:` is an opening already."""
ContextOf = Callable[[Question], str | None]
"""The text in front of a question; None: nothing."""


def no_context(question: Question) -> str | None:
    return None


@dataclass(frozen=True)
class System:
    """A method of CONTEXT_METHODS fitted to a context: what is queried, and what it has cost."""

    name: str
    model: Backbone
    context: ContextOf = no_context
    adapt_seconds: float = 0.0
    artifact_bytes: int = 0
    warm: bool = False
    """The context's keys and values are kept between queries; else it is encoded at every one."""
    method: str = ""
    """As a method of a study, such as `icl` or `distill+lora`."""
    trained_parameters: int = 0

    def query(self, template: Template, question: Question) -> Query:
        """The question as the model reads it, its context in front."""
        context = self.context(question)
        if context is None:
            return Query(template.bare(question.text), suffix=template.end, gold=question.gold)
        text = template.asked(question.text)
        return Query(text, context=template.context(context), suffix=template.end, gold=question.gold)

    def answers(self, template: Template, questions: Sequence[Question]) -> list[str]:
        """Greedy, without the white space around them."""
        queries = [self.query(template, each) for each in questions]
        return [each.strip() for each in self.model.generate(queries, template.answer_tokens)]

    def with_context(self, chunks: Sequence[Chunk]) -> "System":
        """The same with the right piece of the context in its prompt again."""
        return replace(self, context=lambda question: chunks[question.chunk or 0].text)


def learned_system(
    name: str, learned: LearnedContext, adapt_seconds: float = 0.0, method: str = "", context: ContextOf = no_context
) -> System:
    """What was trained on a context, with nothing in the prompt, or with `context`."""
    tensors = learned.adapted.parameters.values()
    return System(
        name,
        learned.model,
        context,
        adapt_seconds,
        sum(each.numel() * each.element_size() for each in tensors),
        method=method,
        trained_parameters=sum(each.numel() for each in tensors),
    )


def primary_metric(template: Template, given: bool) -> Metric:
    """The metric that verdicts are about.

    `exact-match` where the model answers with one token. `contained` where gold answers are given: a chat model answers
    in sentences, and a base model goes on talking. `token-f1` where the teacher's own answers count as right: no answer
    contains another sentence word for word.
    """
    if template.answer_tokens == 1:
        return "exact-match"
    return "contained" if given else "token-f1"


@torch.no_grad()
def respond(system: System, template: Template, questions: Sequence[Question], metric: Metric) -> Outcome:
    """Greedy answers, and the log-probability of each gold text: nan where none is known."""
    answers = system.answers(template, questions)
    kinds = tuple(each.kind for each in questions)
    log_probs = gold_log_probs(system.model, template, [system.query(template, each) for each in questions])
    return Outcome(
        "in-domain",
        tuple(METRICS[metric](answer, each.gold) for answer, each in zip(answers, questions, strict=True)),
        tuple(answers),
        tuple(each.gold for each in questions),
        subsets=kinds if all(kinds) else (),
        log_loss=-mean(log_probs) if log_probs else None,
        gold_log_probs=log_probs,
    )


def gold_log_probs(model: Backbone, template: Template, queries: Sequence[Query]) -> tuple[float, ...]:
    """Of the gold answers after a natural opening; nats per token."""
    found = [float("nan")] * len(queries)
    for context in dict.fromkeys(each.context for each in queries):
        rows = [row for row, each in enumerate(queries) if each.context == context and each.gold]
        tokens = model.tokenized([_opened(template, queries[row]) for row in rows])
        tables = token_log_probs_of_each(model, [tokens], reading_tokens(model))[0] if rows else ()
        for row, table, [word] in zip(rows, tables, tokens.words, strict=True):
            found[row] = float(table.sum()) / len(word)
    return tuple(found)


def _opened(template: Template, query: Query) -> Query:
    """The question with the opening of a reply, and the gold answer as its one choice."""
    text = query.text if template.end else query.text + OPENING
    space = "" if text[-1:].isspace() else " "
    return replace(query, text=text, choices=(space + as_data(query.gold),), suffix="")
