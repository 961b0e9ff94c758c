"""Texts to token ids; text that is marked as data never becomes a control token (see `inweights.plain_text`)."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from inweights.plain_text import MARK, without_marks

OPEN, CLOSE = "\ufdd1", "\ufdd2"
"""Stand around the id of a control token, in texts for the copy of a tokenizer below."""


def encode(tokenizer: Any, texts: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
    """Token ids of whole texts. `add_special_tokens`: with those that the tokenizer puts around a text."""
    options = {"add_special_tokens": add_special_tokens, "verbose": False, "return_attention_mask": False}
    ids: list[list[int]] = tokenizer([without_marks(text) for text in texts], **options)["input_ids"]
    for index, text in enumerate(texts):
        if MARK in text and _forges(tokenizer, text):
            inner = _data_split(tokenizer, text)
            ids[index] = _surrounded(tokenizer, inner) if add_special_tokens else inner
    return ids


def _forges(tokenizer: Any, text: str) -> bool:
    """Whether the text would hold more control tokens without its marks."""
    control = _finder(tokenizer)
    return len(control.findall(text)) < len(control.findall(without_marks(text)))


def _data_split(tokenizer: Any, text: str) -> list[int]:
    """Token ids in which control tokens of the template are control tokens, and those in the data are characters.

    The text is tokenised as a whole, with a copy of the tokenizer in which control tokens have spellings that no data can
    have. Pieces would give other tokens: some tokenizers add a space before the first piece only.
    """
    control = _control(tokenizer)
    shown = _finder(tokenizer).sub(lambda match: f"{OPEN}{control[match[0]]}{CLOSE}", text)
    copy, ids = _copy(tokenizer)
    return [ids.get(token, token) for token in copy.encode(without_marks(shown), add_special_tokens=False).ids]


def _surrounded(tokenizer: Any, inner: Sequence[int]) -> list[int]:
    # The template is found around a text of one known token, and put around the other ids.
    [one] = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    at = whole.index(one)
    return [*whole[:at], *inner, *whole[at + 1 :]]


@lru_cache(maxsize=8)
def _control(tokenizer: Any) -> Mapping[str, int]:
    return {each.content: number for number, each in tokenizer.added_tokens_decoder.items() if each.special}


@lru_cache(maxsize=8)
def _finder(tokenizer: Any) -> re.Pattern[str]:
    # A control token may begin with another one; a regular expression takes the first alternative that matches.
    longest_first = sorted(_control(tokenizer), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


@lru_cache(maxsize=8)
def _copy(tokenizer: Any) -> tuple[Any, Mapping[int, int]]:
    """The tokenizer with other spellings for its control tokens, and the ids that they have in the copy."""
    from tokenizers import Tokenizer

    values = json.loads(tokenizer.backend_tokenizer.to_str())
    control = _control(tokenizer)
    for each in values["added_tokens"]:
        if each["content"] in control:
            each["content"] = f"{OPEN}{control[each['content']]}{CLOSE}"
    values["post_processor"] = None  # it names control tokens by their usual spelling
    copy = Tokenizer.from_str(json.dumps(values))
    return copy, {cast(int, copy.token_to_id(f"{OPEN}{number}{CLOSE}")): number for number in control.values()}
