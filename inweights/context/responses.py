"""Responses of systems that are asked alike: what has the same prompts for the same model is run once.

Where a text is one piece, the right piece, the whole text and what is retrieved are the same prompt.
"""

from collections.abc import Sequence

from inweights.context.qa_tokens import Question
from inweights.context.systems import System, respond
from inweights.context.template import Template
from inweights.context.timing import Timed, timed
from inweights.metrics import Metric
from inweights.types import Outcome

Key = tuple[object, ...]


class Responses:
    def __init__(self) -> None:
        self.outcomes: dict[Key, Outcome] = {}
        self.times: dict[Key, Timed] = {}

    def of(self, system: System, template: Template, questions: Sequence[Question], metric: Metric) -> Outcome:
        key = (_prompts(system, template, questions), metric, tuple(each.gold for each in questions))
        if key not in self.outcomes:
            self.outcomes[key] = respond(system, template, questions, metric)
        return self.outcomes[key]

    def timed(self, system: System, template: Template, questions: Sequence[Question]) -> Timed:
        key = (_prompts(system, template, questions), system.warm)
        if key not in self.times:
            self.times[key] = timed(system, template, questions)
        return self.times[key]


def _prompts(system: System, template: Template, questions: Sequence[Question]) -> Key:
    queries = [system.query(template, each) for each in questions]
    return (id(system.model), *((each.context, each.text) for each in queries))
