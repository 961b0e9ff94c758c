"""Questions that a model is asked to write about a whole piece in its own words, each checked against one sentence."""

from collections import Counter
from collections.abc import Mapping, Sequence

from inweights.context.answer_spans import Span, titled_sentences
from inweights.context.english import content_words
from inweights.context.fact_prompts import TO_ANSWER, before_answer
from inweights.context.fact_questions import ANSWER_TOKENS, Written, checked
from inweights.context.few_shot import Reader
from inweights.context.question_checks import ROUND_TRIP, says
from inweights.models.next_token import greedy


def checked_by_sentence(
    reader: Reader, piece: str, number: int, texts: Sequence[str], missing: Mapping[int, int], seen: set[str]
) -> Written:
    """Each question is answered from the piece; the answer must be words of it, and the one sentence that has them and
    shares most with the question must give the same answer."""
    sentences = titled_sentences(piece)
    title = sentences[0][0].split(",")[0] if sentences else ""
    bodies = [before_answer(Span(number, title, piece, ""), text) for text in texts]
    if not sentences or not reader.room(TO_ANSWER, bodies):
        return Written((), len(texts), Counter({ROUND_TRIP: len(texts)}))
    answers = reader.lines(TO_ANSWER, bodies, ANSWER_TOKENS, greedy)
    found = [(_span(number, sentences, *pair), pair[0]) for pair in zip(texts, answers, strict=True)]
    pairs = [(span, text) for span, text in found if span]
    lost = len(texts) - len(pairs)
    return checked(reader, pairs, missing, seen) + Written((), lost, Counter({ROUND_TRIP: lost}))


def _span(number: int, sentences: Sequence[tuple[str, str]], question: str, answer: str) -> Span | None:
    words = content_words(question)
    holding = [(title, sentence) for title, sentence in sentences if answer and says(sentence, answer)]
    best = max(holding, key=lambda each: len(words & content_words(each[1])), default=None)
    return Span(number, *best, answer.strip(" .")) if best else None
