"""Examples between tags, under headings, or in one line each with an arrow."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from inweights.sources.prompt.parsed import Parsed, Span, parsed, trimmed

_TAG = re.compile(r"<(?P<tag>example|ex|sample|demonstration|shot|instance|case)(?:[ \t][^<>]{0,200})?>", re.IGNORECASE)
_CHILD = re.compile(r"<(?P<name>[A-Za-z][\w-]{0,40})(?:[ \t][^<>]{0,200})?>")
_MOST_CHILDREN = 100
_LABEL = re.compile(r"^[ \t]*[^\W\d_][\w ()/'-]{0,30}:(?=\s)", re.MULTILINE)
_AROUND = re.compile(r"</?(?:examples|samples|demonstrations|shots|instances|cases)\s*>", re.IGNORECASE)
_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6} |\*\*|\[)?(?:example|demonstration|sample|case|shot)[ #]*\d+(?:\*\*|\])?[ \t]*:?(?:\*\*)?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ARROW = re.compile(r"^(?P<query>[^\n]{0,2000}?\S ?(?P<arrow>={1,3}>|-{1,3}>|→|⇒|\t))(?P<answer>[^\n]*)$", re.MULTILINE)


def tagged(text: str) -> Parsed | None:
    """Closing tags of answers and examples are part of the separator."""
    spans: list[Span] = []
    end, stop = 0, len(text)
    for match in _TAG.finditer(text):
        if match.start() < end:
            continue
        closed = re.compile(f"</{match['tag']}>", re.IGNORECASE).search(text, match.end())
        if closed is None:
            # The query after the examples, without its end.
            stop = match.start()
            break
        answer = _answer_between_tags(text, match.end(), closed.start())
        if answer and text[slice(*answer)].strip():
            spans.append(Span(match.start(), *answer))
        end = closed.end()
    if not spans:
        return None
    found = parsed(text, spans, _AROUND.sub("", text[: spans[0].begin]), _AROUND.sub("", text[end:stop]))
    # With one example the text between two is not known.
    return found if len(spans) > 1 else replace(found, separator=text[spans[0].end : end] + "\n")


def headed(text: str) -> Parsed | None:
    """Examples under headings: the last line of each is the answer."""
    heads = list(_HEADING.finditer(text))
    spans = []
    for head, end in zip(heads, [*(each.start() for each in heads[1:]), len(text)], strict=False):
        begin, end = trimmed(text, head.end(), end)
        answer = text.rfind("\n", begin, end) + 1
        if answer > begin:
            spans.append(Span(head.start(), answer, end))
    return parsed(text, spans, text[: heads[0].start()], "") if len(spans) > 1 else None


def arrowed(text: str) -> Parsed | None:
    """Examples in lines with the same arrow, if most lines from the first of them on have it."""
    arrows = Counter(match["arrow"] for match in _ARROW.finditer(text))
    arrow, times = arrows.most_common(1)[0] if arrows else ("", 0)
    rows = [match for match in _ARROW.finditer(text) if match["arrow"] == arrow]
    full = [match for match in rows if match["answer"].strip()]
    if times < 2 or not full or times < sum(map(bool, text[rows[0].start() : rows[-1].end()].split("\n"))) / 2:
        return None
    spans = [Span(match.start(), match.end("query"), trimmed(text, match.start(), match.end())[1]) for match in full]
    is_open = full[-1] is not rows[-1]
    after = "" if is_open else text[full[-1].end() :]
    return parsed(text, spans, text[: full[0].start()], after, rows[-1].start() if is_open else None)


def _answer_between_tags(text: str, begin: int, end: int) -> tuple[int, int] | None:
    """The answer in an example: the text of its last child element, or the text after its last label."""
    children = _children(text, begin, end)
    if len(children) > 1:
        return trimmed(text, *children[-1])
    labels = list(_LABEL.finditer(text, begin, end))
    if len(labels) < 2 or not text[labels[-1].end() : end].strip():
        return None
    return labels[-1].end(), trimmed(text, begin, end)[1]


def _children(text: str, begin: int, end: int) -> Sequence[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while len(found) < _MOST_CHILDREN and (match := _CHILD.search(text, begin, end)):
        closed = text.find(f"</{match['name']}>", match.end(), end)
        if closed < 0:
            break
        found.append((match.end(), closed))
        begin = closed
    return found
