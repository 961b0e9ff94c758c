"""How a question for a known answer is asked for, and how it is read back: patterns of examples, for any language model."""

from inweights.context.answer_spans import Span
from inweights.plain_text import as_data

_LAKE = "The lake is 9 kilometres long, and its water is sold by Tomtebo Ltd."
_ANNA = "She moved to Lisbon in 1921 and opened a bakery there."
_LAMP = "When the lamp is hot, the fan starts and a red light blinks."
EXAMPLES = (
    (Span(0, "Lake Elvar", _LAKE, "9 kilometres"), "How long is Lake Elvar?"),
    (Span(0, "Lake Elvar", _LAKE, "Tomtebo Ltd"), "Who sells the water of Lake Elvar?"),
    (Span(0, "Rules of the library", "Late books cost 20 cents a day.", "20 cents"), "How much do late books cost a day?"),
    (Span(0, "Anna Berg", _ANNA, "Lisbon"), "Where did Anna Berg open a bakery?"),
    (Span(0, "Anna Berg", _ANNA, "1921"), "When did Anna Berg move to Lisbon?"),
    (Span(0, "Lamp K3", _LAMP, "red light"), "What blinks when the lamp is hot?"),
    (
        Span(0, "The bridge of Osk", "Up to 40 people may stand on the bridge.", "40 people"),
        "How many people may stand on the bridge of Osk?",
    ),
)
"""A question about one of these in place of the text has other words than the text, and is dropped for that."""


def before_question(span: Span) -> str:
    return f"{_text(span)}Answer: {as_data(span.phrase)}\nQuestion:"


def before_answer(span: Span, question: str) -> str:
    return f"{_text(span)}Question: {as_data(question)}\nAnswer:"


def before_answer_alone(span: Span, question: str) -> str:
    """Without the text."""
    return f"Title: {as_data(span.title)}\nQuestion: {as_data(question)}\nAnswer:"


def _text(span: Span) -> str:
    return f"Title: {as_data(span.title)}\nText: {as_data(span.sentence)}\n"


TO_ASK = "".join(f"{before_question(span)} {question}\n\n" for span, question in EXAMPLES)
TO_ANSWER = "".join(f"{before_answer(span, question)} {span.phrase}\n\n" for span, question in EXAMPLES)
TO_ANSWER_ALONE = "".join(f"{before_answer_alone(span, question)} {span.phrase}\n\n" for span, question in EXAMPLES)
