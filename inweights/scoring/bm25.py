"""Retrieval of passages by their words: BM25 (Robertson et al. 1994), in Lucene's variant."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bm25s

_WORD = re.compile(r"\w+")


class BM25Index:
    """An index of texts. The same texts and query give the same passages, in the same order."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self._index = _indexed([_words(text) for text in self.texts])

    def best(self, query: str, count: int) -> list[tuple[int, float]]:
        """The indices of up to `count` passages with their scores, the best first, without those that share no word."""
        if self._index is None:
            return []
        words = [word for word in dict.fromkeys(_words(query)) if word in self._index.vocab_dict]
        if not words:
            return []
        scores = self._index.get_scores(words).tolist()
        # Of passages with the same score the earlier one is first.
        ranked = sorted(
            (index for index, score in enumerate(scores) if score > 0), key=lambda index: (-scores[index], index)
        )
        return [(index, scores[index]) for index in ranked[: max(0, count)]]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _indexed(texts: Sequence[Sequence[str]]) -> "bm25s.BM25 | None":
    """None where the texts hold no word at all."""
    import bm25s

    if not any(texts):
        return None
    index = bm25s.BM25(method="lucene")
    index.index([list(words) for words in texts], show_progress=False)
    return index
