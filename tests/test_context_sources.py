"""Text, Markdown, HTML and prompts as sections, and what becomes of files that cannot be read."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from inweights.sources import html, read_sources
from inweights.sources.html import html_sections
from inweights.sources.markdown import markdown_sections
from inweights.sources.prompt import taken_apart
from inweights.sources.text import text_sections
from inweights.sources.types import Context, Demonstration, Section
from inweights.types import UserError

BOOK = Path(__file__).parents[2] / "shared" / "data" / "long" / "books" / "alice_in_wonderland_gutenberg11.txt"
SECTION = Section("text", "title", ("a", "b"), "file.txt", "lines 1-2", "Ann", "8 May 2023")


@pytest.mark.parametrize("field", ["text", "title", "path", "source", "where", "speaker", "date"])
def test_the_digest_of_a_section_changes_with_each_field(field):
    assert replace(SECTION, **{field: ("x",) if field == "path" else "x"}).digest != SECTION.digest
    assert SECTION.digest == replace(SECTION).digest
    assert len(SECTION.digest) == 16


def test_the_digest_tells_where_one_field_ends():
    assert Section("ab", "c").digest != Section("a", "bc").digest
    assert Section("a", path=("b", "c")).digest != Section("a", path=("bc",)).digest


def test_the_digest_of_a_context_is_that_of_its_content():
    context = Context((SECTION,), instruction="Do.", demonstrations=(Demonstration("q", "a"),))
    others = (
        replace(context, sections=(SECTION, SECTION)),
        replace(context, instruction="Don't."),
        replace(context, demonstrations=()),
        replace(context, separator="\n"),
    )
    assert len({each.digest for each in (context, *others)}) == 5


def test_each_source_has_a_hash_of_its_texts():
    first, second = (Context((replace(SECTION, where=where), replace(SECTION, source="b"))).sources for where in ("x", "y"))
    assert first == second
    assert list(first) == ["file.txt", "b"]
    assert all(len(each) == 64 for each in first.values())


def test_paragraphs_are_put_together_and_say_their_lines():
    text = "The Harbour\n\n" + "".join(f"Paragraph {number}\n{'word ' * 150}\n\n" for number in range(6))
    found = text_sections(text, "a.txt")
    assert {each.title for each in found} == {"The Harbour"}
    assert [each.where for each in found] == ["lines 1-7", "lines 9-13", "lines 15-19"]
    written = text.split("\n")
    for each in found:
        first, last = map(int, each.where.removeprefix("lines ").split("-"))
        assert each.text.split("\n") == [line.rstrip() for line in written[first - 1 : last]]


def test_chapters_of_a_plain_text_are_its_path():
    found = text_sections("A Book\n\nCHAPTER I.\nThe Start\n\nOnce.\n\nChapter 2\n\nThen.\n", "a.txt")
    assert [each.path for each in found] == [(), ("CHAPTER I. The Start",), ("Chapter 2",)]


def test_the_title_of_a_text_that_has_none_is_its_name():
    assert text_sections("Once upon a time there was a cat.\n\nIt sat.\n", "tales/cat.txt")[0].title == "cat"


MARKDOWN = """---
title: not "this"
---
# Harbour

Intro.

```python
# no heading
```

Boats
-----

- a list
  # no heading

### Of `wood` and *tar*

> # no heading

## Empty

## Last
end
"""


def test_headings_of_markdown_become_the_section_path():
    found = markdown_sections(MARKDOWN.replace('---\ntitle: not "this"\n---\n', ""), "a.md")
    assert [(each.path, each.where, each.text) for each in found] == [
        ((), "lines 3-7", "Intro.\n\n```python\n# no heading\n```"),
        (("Boats",), "lines 12-13", "- a list\n  # no heading"),
        (("Boats", "Of wood and tar"), "line 17", "> # no heading"),
        (("Last",), "line 22", "end"),
    ]
    assert {each.title for each in found} == {"Harbour"}


def test_front_matter_is_no_text_and_lines_are_still_counted_from_the_top():
    found = markdown_sections(MARKDOWN, "a.md")
    assert (found[0].title, found[0].path, found[0].where) == ('not "this', ("Harbour",), "lines 6-10")
    assert "title:" not in "".join(each.text for each in found)


def test_markdown_of_headings_alone_is_not_lost():
    assert markdown_sections("# A\n\n## B\n", "a.md")[0].text == "# A\n\n## B"


HTML = """<!doctype html><html><head><title>The  Harbour</title><style>p{}</style></head><body>
<nav><ul><li>Menu</li></ul></nav><div role="navigation">Home</div>
<h1>Harbour</h1><p>Hello <b>you</b> &amp; me.<br>Next</p><script>document.write("<p>no</p>")</script>
<h2>Boats &para;</h2>
<table><tr><th>Name</th><th><p>Weight</p><p>in kg</p></th></tr>
<tr><td></td><td>2</td></tr></table>
<ol><li>one<ul><li>in<li>side</ul><li>two</ol>
<h4>Deep</h4><pre>
def f():

    return 1
</pre><h2>Last</h2><div>a<div>b</div>c</div></body></html>"""


def test_headings_of_html_become_the_section_path_and_menus_and_scripts_are_left_out():
    found = html_sections(HTML, "a.html")
    assert [(each.path, each.where, each.text) for each in found] == [
        ((), "line 3", "Hello you & me.\nNext"),
        (("Boats",), "lines 5-7", "Name | Weight in kg\n | 2\n1. one\n  - in\n  - side\n2. two"),
        (("Boats", "Deep"), "lines 9-11", "def f():\n\n    return 1"),
        (("Last",), "line 12", "a\nb\nc"),
    ]
    assert {each.title for each in found} == {"The Harbour"}


def test_tags_nested_deeper_than_calls_are_read():
    assert html_sections("<div><ul><li>" * 20_000 + "deep", "a.html")[0].text.endswith("deep")


@pytest.mark.parametrize("tag", ["<a ", "<!--", "<![CDATA[", "<script>", "<a href='"])
def test_a_tag_that_never_ends_is_one_clear_line(tag):
    began = time.monotonic()
    with pytest.raises(UserError, match=r"a.html has a tag in line 2 without an end: correct it, or save it as text"):
        html_sections("<p>a</p>\n" + tag * 60_000, "a.html")
    assert time.monotonic() - began < 10


def test_a_page_in_the_encoding_that_it_declares_is_read(tmp_path):
    (tmp_path / "a.html").write_bytes('<meta charset="iso-8859-1"><p>café</p>'.encode("latin-1"))
    assert html.read(tmp_path / "a.html", "a.html").sections[0].text == "café"


PROMPTS = {
    "labels": (
        "Say how it is.\n\nReview: great\nSentiment: good\n\nReview: two\nlines\nSentiment: bad\n\n"
        "Review: {text}\nSentiment:",
        [("Review: great\nSentiment:", " good"), ("Review: two\nlines\nSentiment:", " bad")],
    ),
    "questions": ("Say how it is.\nQ: a?\nA: b\nQ: c?\nA: d\n", [("Q: a?\nA:", " b"), ("Q: c?\nA:", " d")]),
    "chat": ("User: a\nAssistant: b\n\nUser: c\nAssistant:", [("User: a\nAssistant:", " b")]),
    "numbered": (
        "Example 1:\nText: a\nLabel: b\n\nExample 2:\nText: c\nLabel: d",
        [("Example 1:\nText: a\nLabel:", " b"), ("Example 2:\nText: c\nLabel:", " d")],
    ),
    "headings and rules": (
        "Say how it is.\n\n### Example 1\nText: a\nLabel: b\n\n---\n\n### Example 2\nText: c\nLabel: d\n\n---\n\n"
        "Text: e\nLabel:",
        [("### Example 1\nText: a\nLabel:", " b"), ("### Example 2\nText: c\nLabel:", " d")],
    ),
    "three labels": (
        "Premise: a\nHypothesis: b\nLabel: yes\n###\nPremise: c\nHypothesis: d\nLabel: no\n###\n",
        [("Premise: a\nHypothesis: b\nLabel:", " yes"), ("Premise: c\nHypothesis: d\nLabel:", " no")],
    ),
    "thoughts": (
        "Q: a\nReasoning: one\n\nand two.\nAnswer: 4\n\nQ: b\nReasoning: c\nAnswer: 5\n\nQ: x\nReasoning:",
        [("Q: a\nReasoning:", " one\n\nand two.\nAnswer: 4"), ("Q: b\nReasoning:", " c\nAnswer: 5")],
    ),
    "tags": (
        "Say how it is.\n<examples>\n<example>\n<input>a</input>\n<output>\nb\n</output>\n</example>\n"
        "<example id='2'>\n<input>c</input>\n<output>\nd\n</output>\n</example>\n</examples>\n",
        [("<example>\n<input>a</input>\n<output>\n", "b"), ("<example id='2'>\n<input>c</input>\n<output>\n", "d")],
    ),
    "labels in tags": (
        "<example>\nQ: a\nA: b\n</example>\n<example>\nQ: c\nA: d\n</example>\n",
        [("<example>\nQ: a\nA:", " b"), ("<example>\nQ: c\nA:", " d")],
    ),
    "headings": (
        "Example 1\nThe cat\nsat.\nanimal\n\nExample 2\nThe car\nvehicle\n",
        [("Example 1\nThe cat\nsat.\n", "animal"), ("Example 2\nThe car\n", "vehicle")],
    ),
    "arrows": (
        "In French.\nsea otter => loutre de mer\ncheese => fromage\nmint =>",
        [("sea otter =>", " loutre de mer"), ("cheese =>", " fromage")],
    ),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_is_taken_apart_and_its_examples_stand_in_it_letter_by_letter(name):
    text, expected = PROMPTS[name]
    found = taken_apart(text)
    assert [(each.query, each.answer) for each in found.demonstrations] == expected
    assert found.separator.join(each.query + each.answer for each in found.demonstrations) in text
    assert found.instruction in ("", "Say how it is.", "In French.")


def test_what_is_said_behind_the_examples_is_instruction():
    found = taken_apart("Answer.\n\nQ: a\nA: b\n\nQ: c\nA: d\n\nNow answer the next one in a word.")
    assert found.instruction == "Answer.\n\nNow answer the next one in a word."


def test_a_prompt_without_examples_is_all_instruction():
    found = taken_apart("Be brief.\nNote: always.\n")
    assert (found.instruction, found.demonstrations) == ("Be brief.\nNote: always.", ())


def test_messages_of_a_chat_are_a_prompt(tmp_path):
    said = [("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e")]
    (tmp_path / "a.json").write_text(json.dumps([{"role": role, "content": content} for role, content in said]))
    found = read_sources([tmp_path / "a.json"], kind="prompt")
    assert found.instruction == "Be brief."
    assert found.demonstrations == (Demonstration("User: a\nAssistant:", " b"), Demonstration("User: c\nAssistant:", " d"))
    assert found.sections[0].text == "Be brief.\n\nUser: a\nAssistant: b\n\nUser: c\nAssistant: d"


def test_a_prompt_is_one_section_with_nothing_in_front(tmp_path):
    text = PROMPTS["labels"][0]
    (tmp_path / "a.prompt").write_text(text)
    found = read_sources([tmp_path / "a.prompt"])
    assert [(each.text, each.title, each.path) for each in found.sections] == [(text, "", ())]
    assert len(found.demonstrations) == 2


def test_several_sources_are_joined_in_the_order_given(tmp_path):
    (tmp_path / "b.txt").write_text("Text.")
    (tmp_path / "a.md").write_text("# A\nText.")
    (tmp_path / "p.prompt").write_text("Q: a\nA: b\n\nQ: c\nA: d")
    found = read_sources([tmp_path / "b.txt", str(tmp_path / "a.md"), tmp_path / "p.prompt", tmp_path / "b.txt"])
    assert [each.source for each in found.sections] == [str(tmp_path / name) for name in ("b.txt", "a.md", "p.prompt")]
    assert len(found.demonstrations) == 2


def test_of_a_folder_every_file_is_read_by_what_it_is(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "a.md").write_text("# A\nText.")
    (tmp_path / "in" / "b.html").write_text("<h2>B</h2>text<script></script>")
    (tmp_path / "in" / "page").write_text("<html><p>text</html>")
    (tmp_path / "c.txt").write_text("Ann: a\nBo: b\nAnn: c\nBo: d\n")
    (tmp_path / "d.json").write_text('{"no": "dialogue"}')
    (tmp_path / "e.bin").write_bytes(b"\0\1\2")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    found = read_sources([tmp_path])
    assert [(each.source, each.path or each.where) for each in found.sections] == [
        ("a.md", "line 2"),
        ("c.txt", "turns 1-4"),
        ("in/b.html", ("B",)),
        ("in/page", "line 1"),
    ]
    assert [each.source for each in found.skipped] == ["link.txt", "d.json", "e.bin"]


def test_a_folder_with_code_is_a_repository_unless_it_has_more_pages(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    assert read_sources([tmp_path]).sections[0].path == ("file tree",)
    for name in ("a.html", "b.html"):
        (tmp_path / name).write_text("<p>text")
    assert [each.source for each in read_sources([tmp_path]).sections] == ["a.html", "a.py", "b.html"]
    assert read_sources([tmp_path], kind="repository").sections[0].path == ("file tree",)


def test_text_that_is_asked_for_is_no_dialogue_and_no_code(tmp_path):
    (tmp_path / "a.txt").write_text("Ann: a\nBo: b\nAnn: c\nBo: d\n")
    (tmp_path / "a.py").write_text("def f(): ...\n")
    assert [each.where for each in read_sources([tmp_path / "a.txt"], kind="text").sections] == ["lines 1-4"]
    assert [each.path for each in read_sources([tmp_path / "a.py"], kind="text").sections] == [()]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", r"a.txt has no text$"),
        ("a.html", b"<script>x</script>", r"a.html has no text$"),
        ("a.txt", b"\x89PNG\r\n\0\0", r"a.txt is binary: give plain text, Markdown, HTML or a PDF$"),
        ("a.docx", b"PK\x03\x04\0\0", r"a.docx is binary, a zip archive, as Word, Excel and EPUB write them: give plain"),
        ("a.txt", b"caf\xe9 au lait", r"a.txt is not UTF-8 text \(invalid continuation byte at byte 3\): save it as UTF-8$"),
        ("a.txt", "café".encode("shift_jis", "replace") + b"\x82\xa0", r"a.txt is not UTF-8 text .*: save it as UTF-8$"),
        ("a.txt", b"\xff\xfea\0b", r"a.txt is not UTF-16 text \(truncated data at byte .*\): save it as UTF-8$"),
        ("a.html", b'<meta charset="no-such">caf\xe9', r"a.html is not UTF-8 text .*: save it as UTF-8$"),
        ("a.prompt", b" \n", r"a.prompt is an empty prompt$"),
        ("a.pdf", b"%PDF", r"a.pdf is (cut off|damaged).*: fetch it again"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_sources([tmp_path / name])
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_huge_file_is_named_with_its_size_and_the_limit(tmp_path):
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(UserError, match=r"a.txt has 3 GB, more than the 20 MB that are read: split it"):
        read_sources([tmp_path / "a.txt"])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_text_that_is_marked_as_unicode_is_read(encoding, tmp_path):
    (tmp_path / "a.txt").write_text("Çà\r\net là", encoding=encoding)
    assert read_sources([tmp_path / "a.txt"]).sections[0].text == "Çà\net là"


def test_what_is_not_there_or_empty_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match=r"^no source was given: name a file or a folder$"):
        read_sources([])
    for missing in (tmp_path / "none.txt", "a" * 5000, "\0"):
        with pytest.raises(UserError, match=r"^there is no file or folder "):
            read_sources([missing])
    with pytest.raises(UserError, match=r"is an empty folder: give one with files$"):
        read_sources([tmp_path])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe is not a regular file: give a file or a folder"):
        read_sources([tmp_path / "pipe"])


def test_where_nothing_can_be_read_all_reasons_are_named(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.txt").write_bytes(b"\0")
    with pytest.raises(UserError, match=r"^nothing can be read: 0.txt is binary: .*; 4.txt is binary.*; and 2 more$"):
        read_sources([tmp_path])


def test_a_file_that_cannot_be_read_does_not_keep_others_from_it(tmp_path):
    (tmp_path / "a.txt").write_text("Text.")
    (tmp_path / "b.txt").write_bytes(b"\0")
    found = read_sources([tmp_path / "b.txt", tmp_path / "a.txt"])
    assert [each.text for each in found.sections] == ["Text."]
    assert [(each.source, each.reason.split(":")[0]) for each in found.skipped] == [(str(tmp_path / "b.txt"), "is binary")]


@pytest.mark.skipif(not BOOK.exists(), reason="no ../shared/data/long/books: needs a published book")
def test_a_published_book_keeps_its_chapters_and_every_word():
    found = read_sources([BOOK]).sections
    chapters = list(dict.fromkeys(each.path[0] for each in found if each.path))
    assert chapters[:2] == ["CHAPTER I. Down the Rabbit-Hole", "CHAPTER II. The Pool of Tears"]
    words = " ".join(each.text for each in found).split()
    assert words == BOOK.read_text(encoding="utf-8-sig").split()
