"""Questions about single facts: the phrases they ask for, the tests they pass, and how many fail which."""

import pytest

from inweights.context.answer_spans import Span, in_situ, openings, phrases, spans, titled_sentences
from inweights.context.english import content_words, is_prose, normalized
from inweights.context.fact_prompts import TO_ANSWER, TO_ASK, before_answer, before_question
from inweights.context.fact_questions import Written, checked, fact_questions
from inweights.context.few_shot import FewShot
from inweights.context.free_questions import checked_by_sentence
from inweights.context.question_checks import (
    FORM,
    GIVEN,
    INFORMATION,
    REPEATED,
    ROUND_TRIP,
    UNNAMED,
    WORDS,
    form_of,
    same_answer,
)
from inweights.models.next_token import greedy
from tests.tiny import tiny

PIECE = """Tide Logger: manual
The warranty lasts four years. The sensor head is made of titanium and weighs 840 grams.

Care
The seal is part number GK-115, and repairs are done in Bergen by Ms Solheim."""
WARRANTY = Span(0, "Tide Logger", "The warranty lasts four years.", "four years")


class Answering:
    """Reads by a table: the question (or answer) at a body's end, and what the model says to it."""

    def __init__(self, asks: dict[str, str], answers: dict[str, str], alone: float = -3.0) -> None:
        self.asks, self.answers, self.alone = asks, answers, alone

    def room(self, examples, bodies):
        return True

    def lines(self, examples, bodies, most, choose):
        table = self.asks if examples == TO_ASK else self.answers
        # The line before the one to be written, without the beginning that was given.
        last = [body.splitlines()[-2].partition(": ")[2] for body in bodies]
        return [table.get(each, "") for each in last]

    def log_probs(self, examples, bodies, answers):
        return [-0.5 if examples == TO_ANSWER else self.alone for _ in bodies]


def test_phrases_are_quantities_names_and_ends_of_clauses():
    assert phrases("The sensor head is made of titanium and weighs 840 grams.") == ["840 grams", "titanium"]
    assert phrases("Call 800 44 617, which Ms Ingrid Solheim leads.") == ["800 44 617", "Ms Ingrid Solheim"]
    assert phrases("It is part number GK-115 and costs 29 euros.") == ["29 euros", "GK-115"]


def test_a_sentence_is_told_with_its_title_and_heading():
    assert titled_sentences(PIECE) == [
        ("Tide Logger", "The warranty lasts four years."),
        ("Tide Logger", "The sensor head is made of titanium and weighs 840 grams."),
        ("Tide Logger, Care", "The seal is part number GK-115, and repairs are done in Bergen by Ms Solheim."),
    ]
    assert {each.chunk for each in spans(PIECE, 3)} == {3}


@pytest.mark.parametrize(
    ("phrase", "first"),
    [
        ("four years", "How many years"),
        ("one reading", "What"),
        ("Ms Solheim", "Who"),
        ("Friday", "When"),
        ("1921", "When"),
        ("7291", "What"),
        ("titanium", "What"),
    ],
)
def test_a_question_begins_as_its_answer_asks_for(phrase, first):
    assert openings(phrase)[0] == first


@pytest.mark.parametrize(
    ("sentence", "phrase", "question"),
    [
        ("The warranty lasts four years.", "four years", "The warranty lasts how many years?"),
        ("The head is made of titanium and weighs 840 grams.", "titanium", "The head is made of what?"),
        ("The club was founded by the dentist Karin Aune.", "Karin Aune", "The club was founded by which dentist?"),
        ("The head is made of titanium and weighs 840 grams.", "840 grams", ""),  # the clause has no subject
        ("The warranty lasts four years.", "warranty", ""),  # the phrase is the subject
    ],
)
def test_a_clause_becomes_a_question_with_the_question_word_in_the_phrases_place(sentence, phrase, question):
    assert in_situ(Span(0, "", sentence, phrase)) == question


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("How long does the warranty last?", ""),
        ("How many years does the warranty of the Tide Logger last?", ""),
        ("The warranty is long.", FORM),
        ("How long? Why?", FORM),
        ("Is the warranty of four years?", GIVEN),
        ("Is the warranty of 4 years?", GIVEN),
        ("How long does a car last?", WORDS),
        ("How old is the shop?", WORDS),
        ("How many warranties last?", WORDS),
        ("How many years does it last?", UNNAMED),
    ],
)
def test_a_question_is_about_its_sentence_and_does_not_give_the_answer(question, reason):
    assert form_of(question, WARRANTY) == reason


@pytest.mark.parametrize(
    ("answer", "same"),
    [("4 years", True), ("The warranty lasts four years.", True), ("years", False), ("", False), ("40 years", False)],
)
def test_an_answer_read_back_is_the_phrase_in_words_or_digits(answer, same):
    assert same_answer(answer, "four years") is same


def test_numbers_are_compared_as_digits_and_without_commas():
    assert normalized("The 90,000 meters, twenty of them") == "90000 metres 20 of them"


def test_prose_is_told_from_code_and_from_other_languages():
    assert is_prose(PIECE)
    assert not is_prose("def total(rows):\n    return sum(row.value for row in rows)")
    assert not is_prose("Die Garantie beträgt vier Jahre und der Sensor ist aus Titan.")
    assert content_words("How long does the warranty last?") == {"warranty", "last"}


def test_a_question_is_kept_whose_answer_comes_out_again_and_only_with_the_text():
    good, other = "How many years does the warranty last?", "How many years is the warranty?"
    both = {good: "4 years", "How long does the warranty last?": "4 years"}
    reader = Answering({"four years": " does the warranty last?"}, both | {other: "ten"})
    made = fact_questions(reader, [WARRANTY], {0: 1}, seed=0)
    [found] = made.questions
    assert (found.text in both, found.gold, found.chunk) == (True, "four years", 0)
    assert made.summary == "1 of 1 questions written passed"
    pairs = [(WARRANTY, good), (WARRANTY, good), (WARRANTY, other), (WARRANTY, "Why?")]
    made = checked(reader, pairs, {0: 9}, set())
    assert made.failed == {REPEATED: 1, ROUND_TRIP: 1, FORM: 1}
    known_anyway = Answering(reader.asks, reader.answers, alone=-0.6)
    assert checked(known_anyway, [(WARRANTY, good)], {0: 1}, set()).failed == {INFORMATION: 1}


def test_where_the_model_writes_none_the_clause_itself_is_the_question():
    reader = Answering({}, {"The warranty lasts how many years?": "four years"})
    assert [each.text for each in fact_questions(reader, [WARRANTY], {0: 1}, 0).questions] == [
        "The warranty lasts how many years?"
    ]


def test_no_more_questions_are_kept_of_a_piece_than_are_wanted_and_none_twice():
    found = [each for number in (0, 1) for each in spans(PIECE, number)]
    texts = {in_situ(each): each.phrase for each in found}
    made = fact_questions(Answering({}, texts), found, {0: 2, 1: 1}, 0)
    assert sorted(each.chunk for each in made.questions) == [0, 0, 1]
    more = fact_questions(Answering({}, texts), found, {0: 9}, 0, [each.text for each in made.questions])
    assert not {each.text for each in made.questions} & {each.text for each in more.questions}


def test_a_question_in_the_models_own_words_is_checked_against_the_sentence_that_answers_it():
    good, lost = "How long does the warranty last?", "What does the seal cost?"
    reader = Answering({}, {good: "four years", lost: "29 euros"})
    made = checked_by_sentence(reader, PIECE, 0, [good, lost], {0: 5}, set())
    assert [(each.text, each.gold) for each in made.questions] == [(good, "four years")]
    assert (made.written, made.failed) == (2, {ROUND_TRIP: 1})


def test_counts_of_several_turns_add_up():
    both = Written((), 3, {FORM: 2}) + Written((), 4, {FORM: 1, WORDS: 2})
    assert both.summary == "0 of 7 questions written passed; failed: 3 not a question, 2 about something else"


def test_examples_and_bodies_are_read_as_whole_texts(causal):
    """Lines and log-probabilities are those of the concatenated text, one at a time."""
    reader, bodies = FewShot(causal), [before_question(each) for each in spans("The king paid the cook in May.", 0)]
    examples = "Text: it rained.\n\n"
    together = reader.lines(examples, bodies, 6, greedy)
    assert together == [reader.lines(examples, [body], 6, greedy)[0] for body in bodies]
    answers = ["the king"] * len(bodies)
    one = reader.log_probs(examples, bodies, answers)
    assert one == pytest.approx([reader.log_probs("", [examples + body], ["the king"])[0] for body in bodies], abs=1e-4)
    assert not FewShot(tiny("gpt2")).room(TO_ASK * 9, bodies)
    assert before_answer(WARRANTY, "How long?").endswith("Question: How long?\nAnswer:")
