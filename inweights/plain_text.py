"""Data inside a prompt stays text: what looks like a control token in it is marked, and is read as characters.

A tokenizer finds its control tokens (`<|im_end|>`, `</s>`, `[SEP]`) anywhere in a text, so a document that spells one
could end its turn and begin another. A pattern or a chat template may hold control tokens, what is filled in may not.
The mark is a noncharacter, inserted after the first bracket; a model's `encode` takes it out again.
"""

import re

MARK = "\ufdd0"
_CONTROL_LIKE = re.compile(r"([<\[])(?=[^\s<>\[\]]{1,80}[>\]])|(>)(?=>[^\s<>]{1,40}<<)")


def as_data(text: str) -> str:
    """The text with a mark in everything that could be a control token of some tokenizer."""
    return _CONTROL_LIKE.sub(lambda found: found[0] + MARK, without_marks(text))


def without_marks(text: str) -> str:
    return text.replace(MARK, "")
