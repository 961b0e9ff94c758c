"""Passages are found by the words they share with a query."""

import math

import pytest

from inweights.scoring.bm25 import BM25Index

TEXTS = ("The cat sat", "A dog ran", "", "cat cat dog", "Çà et là, l'ÉTÉ")


def test_the_passage_that_says_the_word_more_often_is_first():
    assert [index for index, _ in BM25Index(TEXTS).best("Cat?", 9)] == [3, 0]


def test_scores_are_those_of_the_formula():
    """Lucene's: ln(1 + (N - n + 0.5) / (n + 0.5)) * f / (f + k1 * (1 - b + b * length / mean length)), k1 1.5, b 0.75."""
    mean = (3 + 3 + 0 + 3 + 5) / 5
    rarity = math.log(1 + (5 - 2 + 0.5) / (2 + 0.5))
    damping = 1.5 * (0.25 + 0.75 * 3 / mean)
    expected = [(3, rarity * 2 / (2 + damping)), (0, rarity * 1 / (1 + damping))]
    found = BM25Index(TEXTS).best("cat", 2)
    assert [index for index, _ in found] == [index for index, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-5)


def test_words_are_compared_in_lower_case_in_any_script():
    assert [index for index, _ in BM25Index(TEXTS).best("été", 1)] == [4]
    assert [index for index, _ in BM25Index(["Ночь улица", "фонарь аптека"]).best("АПТЕКА", 1)] == [1]


def test_passages_that_are_alike_come_in_their_order():
    assert [index for index, _ in BM25Index(["a b", "c", "b a", "a b"]).best("b", 3)] == [0, 2, 3]


def test_no_more_than_asked_for_and_none_without_a_shared_word():
    passages = BM25Index(TEXTS)
    assert len(passages.best("the cat and the dog", 2)) == 2
    assert passages.best("zebra", 3) == passages.best("", 3) == passages.best("cat", 0) == []


@pytest.mark.parametrize("texts", [(), ("",), ("", "?!")])
def test_nothing_is_found_where_there_are_no_words(texts):
    assert BM25Index(texts).best("cat", 3) == []
