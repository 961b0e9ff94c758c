"""Every task of the language by name: how many classes it has, and what makes its sentences or pairs."""

from inweights.grammar import pairs, singles
from inweights.grammar.sentences import Maker

CLASSES = {
    "topic": 4,
    "polarity": 2,
    "tense": 3,
    "voice": 2,
    "negation": 2,
    "acceptability": 2,
    "paraphrase": 2,
    "entailment": 2,
    "same-subject": 2,
}
SINGLE = ("topic", "polarity", "tense", "voice", "negation", "acceptability")
MAKERS: dict[str, Maker] = {
    "topic": singles.topic_sentence,
    "polarity": singles.polarity_sentence,
    "tense": singles.tense_sentence,
    "voice": singles.voice_sentence,
    "negation": singles.negation_sentence,
    "acceptability": singles.acceptability_sentence,
    "paraphrase": pairs.paraphrase,
    "entailment": pairs.entailment,
    "same-subject": pairs.same_subject,
}
