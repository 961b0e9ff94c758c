"""A user's questions in other words: which are kept, of which questions, and what is said of them."""

from inweights.context.chunks import chunks_of
from inweights.context.conversation import conversation
from inweights.context.fact_prompts import TO_ANSWER
from inweights.context.learn import learn
from inweights.context.paraphrases import TO_REWORD, paraphrases
from inweights.context.qa_tokens import Question
from inweights.context.question_checks import FORM, REPEATED, ROUND_TRIP
from inweights.context.settings import Settings
from inweights.context.template import Template
from inweights.sources.types import Context, Section
from tests.tiny import tiny

TEXT = "The warranty lasts four years. The sensor head is made of titanium.\n\n"
LONG, METAL = Question("How long is the warranty?", 0, gold="four years"), Question("Which metal is the head of?", 0)


class Rewording:
    """Reads by tables: each question's next wordings, and the answer to a question in the sentence it is read with."""

    def __init__(self, words: dict[str, list[str]], answers: dict[str, str]) -> None:
        self.words, self.answers, self.read = {text: list(each) for text, each in words.items()}, answers, []

    def room(self, examples, bodies):
        return True

    def lines(self, examples, bodies, most, choose):
        texts = [body.splitlines()[-2].partition(": ")[2] for body in bodies]
        if examples == TO_REWORD:
            return [f" {self.words[text].pop(0)}" if self.words.get(text) else "" for text in texts]
        assert examples == TO_ANSWER
        self.read += bodies
        return [self.answers.get(text, "") for text in texts]


def pieces():
    return chunks_of(tiny("llama"), Context((Section(TEXT, source="a.txt"),)), 200)


def test_a_paraphrase_is_kept_where_its_answer_is_that_of_the_question():
    same, other = "For how many years is the warranty?", "How old is the warranty?"
    answers = {LONG.text: "4 years", same: "four years", other: "ten", METAL.text: "titanium"}
    reader = Rewording({LONG.text: [other, same, LONG.text, "A statement."]}, answers)
    made = paraphrases(reader, [LONG, METAL], pieces(), 10, 0)
    assert made.questions == (Question(same, 0, gold="four years"),)
    assert made.failed == {ROUND_TRIP: 1, REPEATED: 1, FORM: 5}
    assert all("The warranty lasts four years." in body for body in reader.read if "warranty?" in body)


def test_there_are_no_more_than_are_wanted_and_none_of_a_conversation_or_of_an_unanswered_question():
    words = {LONG.text: [f"Is it number {n}?" for n in range(9)]}
    answers = dict.fromkeys((LONG.text, *words[LONG.text]), "4 years")
    assert len(paraphrases(Rewording(words, answers), [LONG, METAL], pieces(), 10, 0).questions) == 2
    assert len(paraphrases(Rewording(words, answers), [LONG, METAL], pieces(), 1, 0).questions) == 1
    assert not paraphrases(Rewording(words, {}), [LONG], pieces(), 10, 0).questions
    history = Question(conversation(["Hi?", "Yes.", LONG.text]), 0)
    assert not paraphrases(Rewording(words, answers), [history], pieces(), 10, 0).questions


def test_what_an_effort_beside_given_questions_comes_to_is_said(tmp_path):
    model, said = tiny("llama"), []
    chunks = chunks_of(model, Context((Section(TEXT * 3, source="a.txt"),)), 200)
    settings = Settings(batch_tokens=1024, effort=3.0, epochs=1, rounds=1, held_out=0.0, replay=0.0)
    template = Template(answer_tokens=4)
    learn(model, template, chunks, settings, tmp_path, queries=[LONG, METAL], about=[0], say=said.append)
    wanted = round(3 * len(model.encode([chunks[0].text])[0]) / 48) - 2
    assert f"2 questions given, 0 paraphrases of these, and up to {wanted} of the model's own" in said
