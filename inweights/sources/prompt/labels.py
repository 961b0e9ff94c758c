"""Examples written as labelled lines: `Review: ...`, `Sentiment: ...`, with any labels that are repeated."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from inweights.sources.prompt.parsed import Parsed, Span, parsed

_LABEL = re.compile(
    r"^[ \t]*(?:[*_]{1,3}|#{1,6} |> |- )?(?P<name>[^\W\d_][\w ()/'’-]{0,30}?) ?#?\d{0,3}(?:[*_]{1,3})?"
    r"[ \t]?[:：](?:[*_]{1,3})?(?=\s|$)",
    re.MULTILINE,
)
_RULE = re.compile(r"\n[ \t]*(?:[-=*#~_]{3,}|#{1,6}[ \t]*)[ \t]*$")
"""A line that only separates."""
_HEAD = re.compile(
    r"(?:^|\n)[ \t]*(?:[^\w\n]{1,4} ?)?(?:example|demonstration|sample|case|shot|problem)s?[ #]*\d+[^\w\n]{0,3}$",
    re.IGNORECASE,
)
_LONGEST_HEAD = 100
_THOUGHT = frozenset(
    ("reasoning", "thought", "thoughts", "rationale", "explanation", "analysis", "chain of thought", "think", "steps")
)
"""Labels of what the model writes before its answer, which is part of the answer."""


class _Label(NamedTuple):
    name: str
    begin: int
    end: int


def labelled(text: str) -> Parsed | None:
    """The parts of the prompt; None where no labels are repeated in the same order."""
    labels = _recurring(text)
    firsts = [at for at, label in enumerate(labels) if label.name == labels[0].name]
    groups = [labels[a:b] for a, b in zip(firsts, [*firsts[1:], None], strict=False)]
    if not groups or len(groups[0]) < 2:
        return None
    answer = _answer(groups)
    ends = [*(group[0].begin for group in groups[1:]), len(text)]
    spans = [_span(text, group, answer, end) for group, end in zip(groups, ends, strict=True)]
    full = [span for span in spans if span]
    if not full:
        return None
    begin = _begin(text, full[0].begin)
    full = [Span(_begin(text, span.begin), span.answer, span.end) for span in full]
    is_open = spans[-1] is None
    after, full[-1] = ("", full[-1]) if is_open else _cut(text, full)
    return parsed(text, full, _undivided(text[:begin]), after, _begin(text, groups[-1][0].begin) if is_open else None)


def _recurring(text: str) -> list[_Label]:
    """The labels that occur as often as the commonest, or once less: the query at the end may not have all."""
    found = [_Label(match["name"].strip().lower(), match.start(), match.end()) for match in _LABEL.finditer(text)]
    counts = Counter(label.name for label in found)
    most = max(counts.values(), default=0)
    return [label for label in found if counts[label.name] >= max(2, most - 1)]


def _answer(groups: Sequence[Sequence[_Label]]) -> str:
    """The label after which the model writes: the last label of the query at the end, that of a thought, or the last one."""
    names = [label.name for label in groups[0]]
    last = [label.name for label in groups[-1]]
    if 1 < len(last) < len(names) and names[: len(last)] == last:
        return last[-1]
    return next((name for name in names[1:] if name in _THOUGHT), names[-1])


def _span(text: str, group: Sequence[_Label], answer: str, end: int) -> Span | None:
    """The place of an example; None where it has no answer."""
    label = next((each for each in group[1:] if each.name == answer), None)
    if label is None:
        return None
    said = _undivided(text[label.end : end])
    return Span(group[0].begin, label.end, label.end + len(said)) if said.strip() else None


def _undivided(text: str) -> str:
    """The text without rules and without the heading of the next example at its end."""
    while True:
        text = text.rstrip()
        least = max(0, len(text) - _LONGEST_HEAD)
        match = _RULE.search(text, least) or _HEAD.search(text, least)
        if match is None:
            return text
        text = text[: match.start()]


def _begin(text: str, begin: int) -> int:
    """The beginning of an example. A heading above it, such as `### Example 2`, is part of it; rules are not."""
    least = max(0, begin - _LONGEST_HEAD)
    above = text[least:begin].rstrip()
    match = _HEAD.search(above)
    return least + match.start() + above[match.start() :].startswith("\n") if match else begin


def _cut(text: str, spans: Sequence[Span]) -> tuple[str, Span]:
    """Text after the last answer and an empty line is an instruction, unless other answers have empty lines, too."""
    last = spans[-1]
    answers = [text[span.answer : span.end] for span in spans]
    front, gap, after = answers[-1].partition("\n\n")
    if not gap or not front.strip() or any("\n\n" in each for each in answers[:-1]) or len(answers) < 2:
        return "", last
    return after, Span(last.begin, last.answer, last.answer + len(front.rstrip()))
