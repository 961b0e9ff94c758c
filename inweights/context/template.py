"""How a context, a question and an answer read as one text, with the context in front and without."""

import hashlib
import re
from dataclasses import asdict, dataclass, replace
from typing import Literal

from inweights.context.conversation import turns
from inweights.models.base import Backbone
from inweights.models.chat import chat_frame
from inweights.plain_text import as_data
from inweights.types import UserError

QUOTED = "Answer briefly from this text.\n<<<\n{context}\n>>>\n\n"
"""A context is data: it is quoted, and the marks cannot come up inside it. Two sentences of explanation in their place
were repeated in answers, and learned; of 26 questions by section SmolLM2 answered 7 with them and 11 with this line."""
ANSWER_TOKENS = 64


@dataclass(frozen=True)
class Template:
    """Texts with `{context}` and `{question}`; what they hold is never read as a pattern again."""

    behind: str = QUOTED + "Question: {question}\nAnswer:"
    """The teacher's: the question with the context in front."""
    alone: str = "Question: {question}\nAnswer:"
    """The student's."""
    end: str = "\n"
    """What ends an answer, beside the end of text; empty: that alone."""
    answer_tokens: int = ANSWER_TOKENS
    """Maximum length of an answer."""
    request: Literal["question", "message"] = "question"
    """What a model is asked to write about the context: `message` where the context is a system prompt."""
    reply: str = "\nAnswer: "
    """Between a user's turn and the answer that followed it, in a question with a history."""
    following: str = "\n\nQuestion: "
    """Between that answer and the user's next turn."""

    def __post_init__(self) -> None:
        if "{question}" not in self.alone or not 0 <= self.behind.find("{context}") < self.behind.find("{question}"):
            raise UserError(
                "a template has {question} in `alone`, and {context} and then {question} in `behind`; "
                f"given: {self.alone!r} and {self.behind!r}"
            )
        if self.answer_tokens < 1:
            raise UserError(f"answer_tokens is {self.answer_tokens}: expected at least 1")

    @property
    def asks_questions(self) -> bool:
        """Whether what a user sends is a question; an input of a prompt's examples is not."""
        return self.request == "question" and ("Question" in self.alone or not self.end)

    def context(self, text: str) -> str:
        """What stands in front of every question behind a context."""
        front = self.behind.partition("{question}")[0]
        # A space between any three alike: of five, replacing three would leave three.
        return front.replace("{context}", as_data(re.sub(r"([<>])(?=\1\1)", r"\1 ", text) if "<<<" in front else text))

    def asked(self, question: str) -> str:
        """The question as it stands behind `context`."""
        return self._turns(question) + self.behind.partition("{question}")[2]

    def bare(self, question: str) -> str:
        return self.alone.replace("{question}", self._turns(question))

    def _turns(self, question: str) -> str:
        first, *later = map(as_data, turns(question))
        between = (self.reply, self.following)
        return first + "".join(between[number % 2] + turn for number, turn in enumerate(later))

    def quotes(self, answer: str) -> bool:
        """Whether an answer repeats what stands around the context, which is no part of it."""
        front, _, rest = self.behind.partition("{context}")
        lines = [line.strip() for line in (*front.splitlines(), *rest.partition("{question}")[0].splitlines())]
        return any(len(line) > 2 and line not in self.alone and line in answer for line in lines)

    @property
    def digest(self) -> str:
        values = asdict(self)
        for name, default in (("reply", Template.reply), ("following", Template.following)):
            if values[name] == default:  # as in templates that were written before there were histories
                del values[name]
        return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:16]


EMBEDDED = Template("{context}\n{question} answer :", "{question} answer :", answer_tokens=1)
"""The embedded model's, which knows no marks and answers in one word."""


def template_of(model: Backbone) -> Template:
    """The model's chat template where it has one, a plain one elsewhere."""
    if model.card.name == "embedded":
        return EMBEDDED
    if not model.chat_template:
        return Template()

    return _with_turns(
        Template(_chat(model, _user(QUOTED + "{question}")), _chat(model, _user("{question}")), end=""), model
    )


SYSTEM = Template(
    "{context}\n\nUser: {question}\nAssistant:",
    "User: {question}\nAssistant:",
    request="message",
    reply="\nAssistant: ",
    following="\nUser: ",
)
"""A system prompt for a model without a chat template."""


def system_template_of(model: Backbone) -> Template:
    """The context as it is in the system turn; in front of the user's message where the chat template has no such turn."""
    if not model.chat_template:
        return SYSTEM
    alone = _chat(model, _user("{question}"))
    try:
        behind = _chat(model, [{"role": "system", "content": "{context}"}, *_user("{question}")])
    except Exception:  # the templates' own library raises its own errors
        behind = ""
    if not 0 <= behind.find("{context}") < behind.find("{question}"):
        behind = _chat(model, _user("{context}\n\n{question}"))
    return _with_turns(Template(behind, alone, end="", request="message"), model)


def _with_turns(template: Template, model: Backbone) -> Template:
    """With what the chat template puts between turns; as it is where the chat template does not render them one by one."""
    frame = chat_frame(model.tokenizer, model.tokenizer.decode(list(model.bos_ids)))
    return replace(template, reply=frame.reply, following=frame.following) if frame else template


def _user(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


def _chat(model: Backbone, messages: list[dict[str, str]]) -> str:
    text = str(
        model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    )
    # Most models put their one BOS in front of every text themselves.
    return text.removeprefix(model.tokenizer.decode(list(model.bos_ids)))
