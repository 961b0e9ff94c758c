"""Which prompts are read through a model's chat template: the pattern as a user's turn, the label word as the answer."""

from dataclasses import replace
from typing import cast

from inweights.models.base import Backbone
from inweights.models.chat import chat_frame
from inweights.models.skeleton import skeleton
from inweights.study.spec import Chat
from inweights.types import ChatFrame, Prompt, UserError

SUFFIX = "+chat"
"""Added to a pattern's name: runs with and without a template are different runs."""


def in_chat(prompt: Prompt, model: str | Backbone, chat: Chat, own_pattern: bool) -> Prompt:
    """The prompt as the model reads it. `auto`: through the template where there is one and the pattern is the user's own.

    The patterns of presets are completions, such as `Review: ... Sentiment:`, and were chosen as plain text. SmolLM2-135M
    answers them worse through its template (zero-shot SST-2 .68 against .82 of 60, TREC .38 and .30, CB .36 and .39).
    Raises UserError where a template is asked for and there is none.
    """
    if chat == "off" or (chat == "auto" and (not own_pattern or "<|" in prompt.pattern)):
        return prompt
    shape = skeleton(model) if isinstance(model, str) else model
    frame = _frame(shape)
    if frame is None and chat == "on":
        raise UserError(f"{shape.card.name} has no chat template that can be read turn by turn: leave --chat on out")
    return replace(prompt, chat=frame, name=prompt.name + SUFFIX) if frame else prompt


def _frame(shape: Backbone) -> ChatFrame | None:
    if "choices" not in shape.card.abilities:
        return None
    tokenizer = shape.tokenizer
    return chat_frame(tokenizer, cast(str, tokenizer.decode(shape.encode([""])[0])))
