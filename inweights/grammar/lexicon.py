"""The words of the made language: a small English, lower case, each word one token."""

PEOPLE = tuple(
    "cook king judge doctor farmer baker sailor nurse teacher driver singer guard lawyer painter hunter miller "
    "priest student poet tailor banker pilot smith clerk".split()
)
CATEGORIES: dict[str, tuple[str, ...]] = {
    "animal": tuple("dog cat horse cow sheep goat duck rabbit fox bear wolf mouse".split()),
    "tool": tuple("hammer saw rope knife ladder shovel bucket wheel needle axe lamp drill".split()),
    "food": tuple("bread apple cheese soup cake pear egg fish rice onion honey plum".split()),
    "garment": tuple("coat hat shoe glove scarf shirt boot dress belt sock cloak ring".split()),
}
OBJECTS = tuple(word for words in CATEGORIES.values() for word in words)
HYPERNYM = {word: category for category, words in CATEGORIES.items() for word in words}

VERBS: tuple[tuple[str, str, str], ...] = tuple(
    (base, third, past)
    for base, third, past in (
        row.split("/")
        for row in (
            "carry/carries/carried watch/watches/watched clean/cleans/cleaned lift/lifts/lifted drop/drops/dropped "
            "follow/follows/followed touch/touches/touched count/counts/counted guard/guards/guarded "
            "want/wants/wanted move/moves/moved pass/passes/passed pull/pulls/pulled push/pushes/pushed "
            "wash/washes/washed weigh/weighs/weighed cover/covers/covered order/orders/ordered "
            "admire/admires/admired reach/reaches/reached"
        ).split()
    )
)
"""Base, third person and past; the past is the participle too."""

GOOD = tuple("lovely fine superb pretty splendid pleasant perfect charming bright neat fresh sweet".split())
BAD = tuple("awful ugly broken dirty nasty horrible rotten dull cracked filthy foul grim".split())
PLAIN = tuple("red blue green small large old new long short round".split())
PLACES = tuple("garden market house street river church forest kitchen harbour field".split())
FUNCTION = tuple(
    "the a in near at was is were be been by not did does do will and who what whom where nobody nothing . , ? ! ; : = "
    "-> answer question text label this that same it one two".split()
)
CATEGORY_WORDS = tuple(CATEGORIES)

HINTS: dict[str, tuple[str, ...]] = {
    "topic": ("topic", "kind", "subject"),
    "polarity": ("opinion", "feeling", "polarity"),
    "tense": ("tense", "time", "when"),
    "voice": ("voice", "form", "mode"),
    "negation": ("negated", "denied", "negation"),
    "acceptability": ("grammar", "grammatical", "sound"),
    "paraphrase": ("meaning", "paraphrase", "equal"),
    "entailment": ("follows", "entailed", "implied"),
    "same-subject": ("doer", "actor", "agent"),
}
"""Words in a pattern that say which task it is, as `grammatical:` does in the patterns people write."""

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


def vocabulary() -> tuple[str, ...]:
    """Every word once, in a fixed order."""
    hints = (word for words in HINTS.values() for word in words)
    canonical = (word for words in CANONICAL.values() for word in words)
    forms = (form for verb in VERBS for form in verb)
    groups = (FUNCTION, PEOPLE, OBJECTS, CATEGORY_WORDS, forms, GOOD, BAD, PLAIN, PLACES, hints, HELD_OUT, LABELS)
    return tuple(dict.fromkeys(word for group in (*groups, canonical) for word in group))
