"""How an example reads as text, and the words that stand for its labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inweights.plain_text import as_data
from inweights.types.errors import UserError
from inweights.types.queries import Query

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_SPACE_MARKS = ("\u0120", "\u2581")
"""How tokenizers write a space; some other tools ask users to type these."""


@dataclass(frozen=True)
class Example:
    """One input: named text fields, the index of its label (None: unknown), and its subset."""

    fields: Mapping[str, str]
    label: int | None = None
    subset: str = ""
    """Such as `lexical_overlap/ln_subject_object_swap` in HANS; "" where a set has no subsets."""


@dataclass(frozen=True)
class ChatFrame:
    """What a chat template puts around the texts of the user and the assistant."""

    opening: str
    """Before the first text of the user, such as a system turn and the start of a user turn."""
    reply: str
    """Between a text of the user and the answer that is shown for it."""
    following: str
    """Between an answer and the next text of the user."""
    answer: str
    """Between the last text of the user and the answer that is scored."""


@dataclass(frozen=True)
class Prompt:
    """How an example reads as text (its pattern), and the words that stand for the labels (its verbalizer)."""

    pattern: str
    """Text with `{field}`s; `{{` and `}}` are braces. Braces in a field's text are plain text."""
    verbalizer: tuple[str, ...]
    """One plain word or phrase per label, in label order, without a leading space."""
    labels: tuple[str, ...]
    """The labels' names, in label order."""
    answer_prefix: str = ""
    """Text between the pattern and the label word, such as ` answer:`."""
    separator: str = "\n\n"
    """Text between two demonstrations."""
    name: str = "custom"
    chat: ChatFrame | None = None
    """Presents every example as a turn of the user, and the label word as the assistant's answer."""

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.verbalizer):
            raise UserError(
                f"{len(self.labels)} labels ({', '.join(self.labels)}) but {len(self.verbalizer)} label words "
                f"({', '.join(self.verbalizer)}): give one word for each label"
            )
        if len(set(self.verbalizer)) < len(self.verbalizer):
            raise UserError(f"label words must differ, not {', '.join(self.verbalizer)}")
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"labels must differ, not {', '.join(self.labels)}")
        for word in self.verbalizer:
            if not word.strip():
                raise UserError("a label word is empty: give every label a word")
            if word != word.strip() or word.startswith(_SPACE_MARKS):
                raise UserError(
                    f"the label word {word!r} begins or ends with a space: give it without, one space is added before it"
                )

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields that the pattern shows, in order, without repetition."""
        names = (match[1] for match in _FIELD.finditer(self.pattern) if match[1] is not None)
        return tuple(dict.fromkeys(names))

    def body(self, example: Example) -> str:
        """The example as text up to where its label word begins, without trailing white space. Its fields are marked as
        data."""

        def value(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0][0]
            if match[1] not in example.fields:
                raise UserError(
                    f"the pattern {self.pattern!r} asks for the field {{{match[1]}}}; "
                    f"the examples have {', '.join(example.fields)}"
                )
            return as_data(example.fields[match[1]])

        text = (_FIELD.sub(value, self.pattern) + self.answer_prefix).rstrip()
        return text + self.chat.answer if self.chat else text

    @property
    def choices(self) -> tuple[str, ...]:
        """The label words as they follow `body`: after one space, or as the whole answer of an assistant."""
        return self.verbalizer if self.chat else tuple(f" {word}" for word in self.verbalizer)

    @property
    def opening(self) -> str:
        """The text before the first example: "", or the beginning of a chat."""
        return self.chat.opening if self.chat else ""

    def whole(self, example: Example) -> str:
        """The text of the example alone: `body`, after the beginning of the chat if there is one."""
        return self.opening + self.body(example)

    def query(self, example: Example, context: str = "") -> Query:
        """The example as a query whose choices are the label words."""
        gold = "" if example.label is None else self.verbalizer[example.label]
        tags = {"subset": example.subset} if example.subset else {}
        return Query(self.body(example), self.choices, context or self.opening, self.ends_answer, gold, tags)

    @property
    def ends_answer(self) -> str:
        """The beginning of the text that follows an answer: white space and the mark after it, if any."""
        return re.match(r"\s*\S*", self.after_answer)[0]  # type: ignore[index]

    def answered(self, example: Example) -> str:
        """The example as a demonstration: its text, a space, and the word of its label."""
        assert example.label is not None
        body = self.body(example)
        if self.chat:
            body = body.removesuffix(self.chat.answer) + self.chat.reply
        return body + self.choices[example.label]

    def context(self, demonstrations: Sequence[Example]) -> str:
        """The demonstrations in a row, each followed by the separator; "" for none. A chat begins with its opening."""
        return self.opening + "".join(self.answered(example) + self.after_answer for example in demonstrations)

    @property
    def after_answer(self) -> str:
        """The text between a demonstration's answer and the next example."""
        return self.chat.following if self.chat else self.separator
