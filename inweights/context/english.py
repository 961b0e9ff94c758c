"""English words that questions are checked by: function words, numbers, and what words have in common."""

import re

FUNCTION_WORDS = frozenset(
    "a an the of in on at to for from by with and or but is are was were be been being may must can will would should could "
    "has have had do does did it its this that these those they them their he she his her who whom whose which what when "
    "where why how because before until under above below down up about after also into as if than then not no only never "
    "ever any one more most all per every each there here i you we your our us my so such other both between during "
    "through out over off while just very too".split()
)
_GENERIC = frozenset(
    "many much long often old name named names number kind type sort called call amount following text question answer "
    "write short list tell say".split()
)
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
).split()
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
NUMBER_WORDS: dict[str, str] = {word: str(value) for value, word in enumerate(_NUMBERS, 1)} | {
    word: str(value) for word, value in _TENS.items()
}
PROSE = 0.2
"""Share of function words from which on a text is taken for English prose: German has hardly any, code few."""


def is_prose(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return bool(words) and sum(word in FUNCTION_WORDS for word in words) >= PROSE * len(words)


def content_words(text: str) -> set[str]:
    """The words that say what a text is about, without their commonest endings."""
    words = re.findall(r"[^\W_]+(?:-[^\W_]+)*", text.lower())
    return {
        stem(word)
        for word in words
        if (len(word) > 1 or word.isdigit()) and word not in FUNCTION_WORDS and word not in _GENERIC
    }


def stem(word: str) -> str:
    return re.sub(r"(?<=\w\w)(?:ings?|ed|es|s|e)$", "", word)


def normalized(text: str) -> str:
    """In lower case, without articles and punctuation; numbers in digits, and one spelling of metre and litre."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text.lower())
    plain = re.sub(r"(met|lit)er(s?)\b", r"\1re\2", plain)
    words = re.findall(r"[^\W_]+(?:[.:-][^\W_]+)*", plain)
    return " ".join(NUMBER_WORDS.get(word, word) for word in words if word not in ("a", "an", "the"))
