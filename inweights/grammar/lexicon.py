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
PLACES = tuple("garden market house street river church forest kitchen harbour field".split())
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
