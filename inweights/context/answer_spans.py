"""Phrases of a text that a question can ask for: numbers with their unit, names, and what ends a clause, found by rule.

Questions are written for an answer that is known (Alberti et al. 2019, arXiv 1906.05416), so that they can be checked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inweights.context.english import FUNCTION_WORDS, NUMBER_WORDS

_NUMBER = rf"(?:\d[\d,.:]*\d|\d|{'|'.join(NUMBER_WORDS)})"
_NOT_A_UNIT = rf"(?!(?:{'|'.join(sorted(FUNCTION_WORDS))})\b)"
_QUANTITY = re.compile(rf"(?<![\w-]){_NUMBER}(?![\w-])(?: \d+)*(?: {_NOT_A_UNIT}[a-z]+){{0,2}}")
_NAME = re.compile(r"(?<=[\w,;] )(?:(?:Mr|Mrs|Ms|Dr)\.? )?[A-Z][\w-]*(?:(?: of)? [A-Z][\w-]*)*")
_NOUNS = rf"((?:{_NOT_A_UNIT}[a-z][a-z-]+ ?){{1,3}})"
_AFTER_ARTICLE = re.compile(
    rf"\b(?:of|with|by|in|an?|the|at|to|and|or|from|beside|behind|before|after)\s+{_NOUNS}"
    r"(?=[.,;:]|$| (?:and|or|in|at|of|for|from|by|on|to|because|when|until)\b)"
)
_AFTER_BE = re.compile(rf"\b(?:is|are|was|were)\s+{_NOUNS}(?=[.,;:]|$)")
MOST_IN_HEADING = 12
"""Words of a line that does not end as a sentence does."""
_TIME = frozenset("second seconds minute minutes hour hours day days week weeks month months year years".split())
_MONEY = frozenset("euro euros dollar dollars cent cents pound pounds".split())
_DATES = frozenset(
    "January February March April May June July August September October November December Monday Mondays Tuesday Tuesdays "
    "Wednesday Wednesdays Thursday Thursdays Friday Fridays Saturday Saturdays Sunday Sundays".split()
)


@dataclass(frozen=True)
class Span:
    """A phrase of a sentence, as the answer to a question that is to be written."""

    chunk: int
    title: str
    """What the sentence is about: the document's title and the heading above it."""
    sentence: str
    phrase: str


def spans(text: str, chunk: int) -> list[Span]:
    """All spans of a piece whose first line is its title, if it has one."""
    pairs = titled_sentences(text)
    return [Span(chunk, title, sentence, phrase) for title, sentence in pairs for phrase in phrases(sentence)]


def titled_sentences(text: str) -> list[tuple[str, str]]:
    """Every sentence with the title of the piece and the heading above it."""
    found, title, heading = [], "", ""
    for number, line in enumerate(text.splitlines()):
        line = line.strip()
        if not line:
            continue
        if line.endswith((".", "!", "?", ";", ":")) or len(line.split()) > MOST_IN_HEADING:
            about = ", ".join(part for part in (title, heading) if part)
            found += [(about, sentence) for sentence in sentences(line)]
        elif number == 0:
            title = line.split(" > ")[0].partition(":")[0].strip("# ")
        else:
            heading = line.split(" > ")[-1].strip("# ")
    return found


def sentences(line: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?;])\s+(?=\S)", line) if len(part.split()) > 3]


def phrases(sentence: str) -> list[str]:
    return list(dict.fromkeys(_phrases(sentence)))


def _phrases(sentence: str) -> Iterator[str]:
    for match in _QUANTITY.finditer(sentence):
        yield match[0].strip(" .,;:")
    for match in _NAME.finditer(sentence):
        yield match[0]
    for pattern in (_AFTER_ARTICLE, _AFTER_BE):
        for match in pattern.finditer(sentence):
            yield match[1].strip()


def openings(phrase: str) -> tuple[str, ...]:
    """How a question that the phrase answers may begin, the most specific first."""
    match = re.fullmatch(rf"({_NUMBER})(?: \d+)*((?: [a-z]+)+)", phrase)
    if match:
        units = match[2].split()
        how = ("How long",) if units[-1] in _TIME else ("How much",) if units[0] in _MONEY else ()
        return how or ("What",) if match[1] in ("one", "1") else (f"How many {' '.join(units)}", *how)
    if phrase[:1].isupper():
        return ("When",) if set(phrase.split()) & _DATES else ("Who", "Where", "What")
    return ("When", "What") if re.fullmatch(r"1\d{3}|20\d{2}", phrase) else ("What",)


def in_situ(span: Span) -> str:
    """The clause of the phrase with a question word in its place, such as `The warranty lasts how many years?`; empty
    where the clause has no subject of its own, or the phrase is the subject."""
    clauses = re.split(r"(?<=[,;:])\s+|\s+(?=(?:and|but|because)\s)", span.sentence)
    number = next((i for i, each in enumerate(clauses) if re.search(rf"{re.escape(span.phrase)}(?![\w'-])", each)), None)
    if number is None:
        return ""
    clause = clauses[number].strip(" ,;:.!?")
    first = clause.split()[0].lower()
    # A later clause often has its subject in an earlier one, unless it begins with an article.
    if len(clause.split()) < 4 or (first not in ("a", "an", "the") and (number or first in _NO_SUBJECT)):
        return ""
    before, _, after = clause.partition(span.phrase)
    word = _question_word(span.phrase, before)
    before = re.sub(
        r"\b(?:an?|the) (?:[a-z]+ )?$" if word.startswith("which ") else r"\b(?:an?|the) $", "", before, flags=re.I
    )
    whole = before.strip() and not after.startswith(" of ")
    return f"{before[:1].upper()}{before[1:]}{word}{after}?" if whole else ""


_ORDINALS = frozenset("first second third fourth fifth last next".split())
_NO_SUBJECT = FUNCTION_WORDS - frozenset("in up on for at from until before after".split())


def _question_word(phrase: str, before: str) -> str:
    how = openings(phrase)[0]
    if how.startswith("How many"):
        return how.lower()
    noun = re.search(r"\bthe ([a-z]+) $", before)
    # "the dentist Karin Aune": which dentist
    return f"which {noun[1]}" if phrase[:1].isupper() and noun and noun[1] not in _ORDINALS else "what"
