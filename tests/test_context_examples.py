"""A prompt of examples: what stands around an input, and the orders its examples come in."""

import pytest

from inweights.context.demonstrations import ORDERS, orders, template_of_examples
from inweights.context.qa_tokens import Question
from inweights.context.teacher import assign_chunks
from inweights.context.template import EMBEDDED
from inweights.sources import read_sources

REVIEWS = "Say whether it is good.\n\n" + "\n\n".join(
    f"Review: {text}\nSentiment: {label}"
    for text, label in (("great fun", "positive"), ("gone by noon", "negative"), ("grand", "positive"))
)


@pytest.fixture
def context(tmp_path):
    (tmp_path / "a.prompt").write_text(REVIEWS)
    return read_sources([tmp_path / "a.prompt"])


def test_an_input_is_read_as_those_of_the_examples_are(context):
    """All three inputs begin with a g, which is no part of the pattern."""
    template = template_of_examples(context)
    assert template.alone == "Review: {question}\nSentiment:"
    assert template.context("PROMPT") + template.asked("dull") == "PROMPT\n\nReview: dull\nSentiment:"
    assert template.end == "\n"


def test_orders_differ_in_nothing_but_order(context):
    chunks = orders(context)
    assert len({chunk.text for chunk in chunks}) == len(chunks) == ORDERS
    assert {chunk.body for chunk in chunks} == {REVIEWS}
    assert all(sorted(chunk.text.split("\n\n")) == sorted(REVIEWS.split("\n\n")) for chunk in chunks)


def test_a_question_is_about_every_order(context, causal):
    found = assign_chunks(causal, EMBEDDED, orders(context), [Question("dull")])
    assert [each.chunk for each in found] == list(range(ORDERS))
