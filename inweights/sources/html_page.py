"""The lines and headings of a page of HTML. Counters instead of a tree, so that tags can be nested to any depth."""

import re
from html.parser import HTMLParser

from inweights.sources.markdown import Heading

DROPPED = frozenset("script style nav template noscript svg math iframe object select button textarea".split())
"""Elements that are left out with their contents."""
BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr html legend li main menu ol p pre section summary table tbody tfoot thead tr ul".split()
)
"""Elements that begin a new line and end it."""
APART = frozenset("article blockquote dl p pre section table".split())
"""Elements with an empty line before them."""
_LISTS = ("ul", "ol", "menu")
_ROWS = ("table", "thead", "tbody", "tfoot", "tr")
_CELL_BREAK = "\0"
"""Separates two cells until their row is complete."""


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.lines: list[tuple[str, int]] = []
        """The lines of the text, each with the number of the line of the file in which it begins."""
        self.headings: list[Heading] = []
        self._words: list[str] = []
        self._began = 0
        self._mark = ""
        self._heading = 0
        self._in_row = self._pre = self._in_title = False
        self._dropped: list[str] = []
        self._lists: list[int | None] = []
        """For every open list the number of its last item; None for a list without numbers."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropped or tag in DROPPED or ("role", "navigation") in attrs:
            # Only the same tag ends it: a <br> inside has no end tag.
            if not self._dropped or tag == self._dropped[0]:
                self._dropped.append(tag)
            return
        if tag in ("td", "th"):
            self._words.append(_CELL_BREAK if self._in_row else "")
            self._in_row = True
        elif tag in BLOCKS or tag == "br":
            self._break(tag)
        if tag in APART and not self._lists and self.lines and self.lines[-1][0]:
            self.lines.append(("", self.getpos()[0]))
        if tag in _LISTS:
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._mark = self._item()
        elif re.fullmatch(r"h[1-6]", tag):
            self._heading = int(tag[1])
        self._pre = self._pre or tag == "pre"
        self._in_title = tag == "title" and not self.title

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag == self._dropped[0]:
                self._dropped.pop()
            return
        if tag in BLOCKS:
            self._break(tag)
        if tag in _LISTS and self._lists:
            self._lists.pop()
        self._pre = self._pre and tag != "pre"
        self._in_title = self._in_title and tag != "title"

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._dropped and (self._words or self._pre or data.strip()):
            self._began = self._began or self.getpos()[0]
            self._words.append(data if self._pre else re.sub(r"\s+", " ", data))

    def end_line(self) -> None:
        """The text since the last block becomes a line (preformatted text: several lines), or a heading."""
        text = "".join(self._words)
        began = self._began
        if self._heading:
            if said := " ".join(text.replace(_CELL_BREAK, " ").split()).rstrip(" ¶"):
                self.headings.append(Heading(self._heading, said, len(self.lines), len(self.lines)))
        elif self._in_row:
            cells = [" ".join(cell.split()) for cell in text.split(_CELL_BREAK)]
            if any(cells):
                self.lines.append((" | ".join(cells), began))
        elif self._pre:
            said = text.lstrip("\n").rstrip()
            began += len(text) - len(text.lstrip("\n"))
            self.lines += [(line.rstrip(), began + offset) for offset, line in enumerate(said.split("\n")) if said]
        elif said := text.strip():
            self.lines.append((self._mark + said, began))
            self._mark = ""
        self._words, self._began, self._heading, self._in_row = [], 0, 0, False

    def _break(self, tag: str) -> None:
        """A row of a table is one line, whatever blocks are in its cells."""
        if self._in_row and tag not in _ROWS:
            self._words.append(" ")
        elif self._pre and tag == "br":
            self._words.append("\n")
        else:
            self.end_line()

    def _item(self) -> str:
        """The mark of a new item: indented by its depth, with its number in a numbered list."""
        indent = "  " * (min(len(self._lists), 9) - 1)
        if self._lists and (number := self._lists[-1]) is not None:
            self._lists[-1] = number + 1
            return f"{indent}{number + 1}. "
        return f"{indent}- "
