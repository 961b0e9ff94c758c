"""Options that the verbs of learning a context share."""

import math
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inweights.context.template import Template


ASKER = "A model that writes the questions, such as a stronger one; it is freed before training."
TEACHER = "A model with the same tokenizer that answers them with the context; it is freed before training."


class Kind(StrEnum):
    """What sources are; auto: told by name and content."""

    auto = "auto"
    prompt = "prompt"
    system = "system"
    text = "text"
    dialogue = "dialogue"
    repository = "repository"


def parsed_seconds(text: str | None) -> float:
    from inweights.report import parse_seconds

    return math.inf if text is None else parse_seconds(text)


def parsed_template(text: str | None) -> "Template | None":
    r"""`\n` as a shell passes it on within quotes is a line break. The context is quoted in front of it."""
    from inweights.context.template import QUOTED, Template

    if text is None:
        return None
    alone = text.replace("\\n", "\n")
    return Template(behind=QUOTED + alone, alone=alone)
