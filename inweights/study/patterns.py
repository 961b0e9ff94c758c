"""The patterns of a study: those of the task by name, and texts given by the user."""

from collections.abc import Sequence
from dataclasses import replace

from inweights.study.spec import Spec
from inweights.tasks.files import named_by_text
from inweights.types import Prompt, Task, UserError

ALL = ["all"]


def is_text(pattern: str) -> bool:
    """Whether the text is a pattern and not the name of one: it has a field."""
    return "{" in pattern


def with_texts(spec: Spec, task: Task) -> Task:
    """The task with the user's patterns added to its own, with the task's label words or those of the spec."""
    texts = [each for each in spec.patterns if is_text(each)]
    if not texts and (spec.verbalizer or spec.answer_prefix):
        raise UserError("--verbalizer and --answer-prefix go with a pattern of your own: give one with --patterns")
    words = tuple(spec.verbalizer or task.prompt.verbalizer)
    like = replace(task.prompt, answer_prefix=spec.answer_prefix, verbalizer=words)
    own = tuple(named_by_text(replace(like, pattern=text)) for text in texts)
    return replace(task, prompts=task.prompts + tuple(each for each in own if each not in task.prompts))


def prompts_of(spec: Spec, task: Task) -> list[Prompt]:
    """The patterns in the given order, without repetition; the default pattern if none is given.

    Raises UserError for an unknown pattern, and for a field that the examples do not have.
    """
    asked: Sequence[str | None] = (
        [prompt.name for prompt in task.prompts] if spec.patterns == ALL else spec.patterns or [None]
    )
    found = list(dict.fromkeys(_prompt(each, spec, task) for each in asked))
    first = task.splits["train"].load()[0]
    for prompt in found:
        prompt.body(first)
    return found


def _prompt(pattern: str | None, spec: Spec, task: Task) -> Prompt:
    if pattern is None or not is_text(pattern):
        return task.prompt_named(pattern)
    # The last one: a preset may have the same pattern with other label words.
    return [each for each in task.prompts if (each.pattern, each.answer_prefix) == (pattern, spec.answer_prefix)][-1]
