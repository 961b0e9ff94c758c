"""A tokenizer's chat template as the strings around its turns, found by rendering a chat of known texts."""

from typing import Any

from inweights.types import ChatFrame

FIRST, ANSWER, SECOND = "FIRST QUESTION", "ITS ANSWER", "SECOND QUESTION"


def chat_frame(tokenizer: Any, bos: str) -> ChatFrame | None:
    """None where the tokenizer has no template, or one that does not render every turn by itself.

    `bos`: the text of the special tokens that begin every text. Templates write them, too, and they must not come twice.
    """
    if not getattr(tokenizer, "chat_template", None):
        return None

    def rendered(*texts: str) -> str:
        messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
        options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        return str(tokenizer.apply_chat_template(messages, **options)).removeprefix(bos)

    try:
        opening, answer = rendered(FIRST).split(FIRST)
        before, shown = rendered(FIRST, ANSWER, SECOND).split(FIRST)
        reply, rest = shown.split(ANSWER)
        following, last = rest.split(SECOND)
    except Exception:  # a template is a program, which may refuse a chat or reword it
        return None
    return ChatFrame(opening, reply, following, answer) if (before, last) == (opening, answer) else None
