"""What of the made language only training and measuring the embedded model needs: label words, vocabulary, entropy."""

import math
import random

from inweights.grammar import tasks
from inweights.grammar.lexicon import BAD, CATEGORIES, GOOD, HINTS, OBJECTS, PEOPLE, PLACES, VERBS
from inweights.grammar.sentences import TENSES, Item

FUNCTION = tuple(
    "the a in near at was is were be been by not did does do will and who what whom where nobody nothing . , ? ! ; : = "
    "-> answer question text label this that same it one two".split()
)
PLAIN = tuple("red blue green small large old new long short round".split())
HELD_OUT = tuple(
    "yes no true false right wrong different alike positive negative past present future active passive fauna gear "
    "meal garb agree disagree accept reject plus minus north south east west upper lower left".split()
)
"""Label words that are never a label in training."""

LABELS = tuple(
    "alpha beta gamma delta omega sigma theta kappa lambda zeta ash birch cedar elm fir hazel larch maple oak pine "
    "rowan willow amber coral ivory jade onyx opal pearl ruby topaz copper iron lead nickel silver steel tin zinc brass "
    "autumn spring summer winter monday tuesday thursday friday april june august october dawn noon dusk midnight "
    "circle square cube cone prism sphere arrow cross star moon sun comet planet orbit cloud storm thunder wind snow "
    "frost hail mist ocean lake island valley canyon desert meadow swamp bridge tower castle tunnel gate wall roof "
    "piano violin flute drum harp trumpet cello organ waltz tango opera hymn chess poker dice domino marble puzzle "
    "ink paper stamp envelope ribbon velvet cotton linen silk wool denim lace canvas bishop knight queen rook pawn jack "
    "ace spade heart club diamond mango lemon cherry grape melon fig basil mint thyme sage pepper ginger cumin clove".split()
)
"""Label words in training."""

CANONICAL: dict[str, tuple[str, ...]] = {
    "topic": ("beast", "device", "dish", "attire"),
    "polarity": ("gloomy", "cheerful"),
    "tense": ("before", "now", "after"),
    "voice": ("doing", "undergone"),
    "negation": ("affirmed", "refused"),
    "acceptability": ("malformed", "wellformed"),
    "paraphrase": ("unlike", "synonymous"),
    "entailment": ("unproven", "proven"),
    "same-subject": ("others", "oneself"),
}
"""One fixed word per class and task, for training alone: a task learnt by its words forms the features it needs."""

EASY = ("topic", "polarity", "tense", "voice", "negation")
HARD = ("acceptability", "paraphrase", "entailment")

ENTROPY = (
    math.log(2 * len(PEOPLE) * len(VERBS) * len(OBJECTS) * (len(GOOD) + len(BAD)) * len(TENSES) * 2)
    + 0.3 * math.log(len(PLACES) / 0.3)
    + 0.7 * math.log(1 / 0.7)
)
"""Nats of a sentence on a random event, in the active or the passive: no model of the language can need fewer."""


def vocabulary() -> tuple[str, ...]:
    """Every word once, in a fixed order."""
    hints = (word for words in HINTS.values() for word in words)
    canonical = (word for words in CANONICAL.values() for word in words)
    forms = (form for verb in VERBS for form in verb)
    groups = (FUNCTION, PEOPLE, OBJECTS, tuple(CATEGORIES), forms, GOOD, BAD, PLAIN, PLACES, hints, HELD_OUT, LABELS)
    return tuple(dict.fromkeys(word for group in (*groups, canonical) for word in group))


def labelled_item(task: str, rng: random.Random, outside: bool = False) -> Item:
    """One sentence or pair with a label drawn evenly."""
    return tasks.MAKERS[task](rng, rng.randrange(tasks.CLASSES[task]), outside)
