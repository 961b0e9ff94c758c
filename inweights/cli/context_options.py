"""Options that the verbs of learning a context share."""

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from inweights.cli.option_table import Table, TableOption
from inweights.cli.values import with_breaks

if TYPE_CHECKING:
    from inweights.context.template import Template


class Kind(StrEnum):
    """The kind of sources; auto: by names and content."""

    auto = "auto"
    prompt = "prompt"
    system = "system"
    text = "text"
    dialogue = "dialogue"
    repository = "repository"


def parsed_seconds(text: str | None) -> float:
    from inweights.report import parse_seconds

    return math.inf if text is None else parse_seconds(text)


def parsed_template(text: str) -> "Template":
    """A template that quotes the context before the question."""
    from inweights.context.template import QUOTED, Template

    alone = with_breaks(text)
    return Template(behind=QUOTED + alone, alone=alone)


INPUTS: Table = {
    "asker": TableOption(str, "A model that writes the questions, such as a stronger one; it is freed before training."),
    "teacher": TableOption(
        str, "A model with the same tokenizer that answers them with the context; it is freed before training."
    ),
    "chunk_tokens": TableOption(int, "Of a piece of the context."),
    "answer_tokens": TableOption(int, "Maximum length of an answer; 64 if not given."),
    "template": TableOption(
        str, 'How a question reads, such as "Q: {question}\\nA:"; a chat template if not given.', value=parsed_template
    ),
    "dtype": TableOption(str, "fp32, bf16 or fp16."),
    "device": TableOption(str, "cpu, cuda, cuda:1, mps."),
}
"""What is read, by which models."""
