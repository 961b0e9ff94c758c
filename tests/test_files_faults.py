"""Faults in a user's files, each said in one line with its file, its line, and what to do."""

import sys
from pathlib import Path

import pytest

from inweights.tasks.files import from_files
from inweights.types import UserError
from tests.user_files import TEXTS, jsonl


@pytest.fixture
def train(tmp_path) -> Path:
    return jsonl(tmp_path / "train.jsonl", TEXTS)


@pytest.fixture
def test(tmp_path) -> Path:
    return jsonl(tmp_path / "test.jsonl", [{"text": "fine", "label": "positive"}, {"text": "ill", "label": "negative"}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"train.jsonl has no rows"),
        ("\n\n", r"train.jsonl has no rows"),
        ('{"text": "a", "label": 0}\n{"text": "b"\n', r"train.jsonl:2 is not JSON \(.*\): expected one object"),
        ('{"text": "a", "label": 0}\n7\n', r"train.jsonl:2 is not a JSON object"),
        ('{"text": "a", "gold": 0}\n', r"has no label column; it has text, gold: name it with --columns label=COLUMN"),
        ('{"n": 3, "label": 0}\n{"n": 4, "label": 1}\n', r"no text column; it has n, label: give --columns text=COLUMN"),
        ('{"text": "a", "label": 0}\n{"text": "b", "label": 0}\n', r"one class only \(0\) in 'label': expected at least"),
        ('{"text": "a", "label": 0}\n{"text": " ", "label": 1}\n', r"train.jsonl:2 has no text in 'text': fill it or"),
        ('{"text": "a", "label": 0}\n{"txt": "b", "label": 1}\n', r"train.jsonl:2 has no 'text'; it has txt, label"),
        ('{"text": "a", "label": 0}\n{"text": "b", "label": 1}\n{"text": "c"}\n', r"train.jsonl:3 has no label in 'label'"),
        ('{"text": ["a"], "label": 0}\n{"text": "b", "label": 1}\n', r"train.jsonl:1 holds a list in 'text': expected text"),
        (b'{"text": "caf\xe9", "label": 0}\n', r"train.jsonl is not UTF-8 text \(.* at byte 13\): save it as UTF-8"),
    ],
)  # fmt: skip
def test_a_faulty_training_file_is_named_with_its_line(tmp_path, test, text, message):
    path = tmp_path / "train.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UserError, match=message):
        from_files(path, test)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "text,label\na,0\nb,c,1\n", r"a.csv:3 has 3 columns and the first line names 2: quote cells"),
        ("a.csv", 'text,label\n"a\nb",0\nc\n', r"a.csv:4 has 1 columns and the first line names 2"),
        ("a.tsv", "text\tlabel\na\tb\t0\n", r"a.tsv:2 has 3 columns .*: take tabs and line breaks out"),
        ("a.csv", 'text,label\n"a,0\n', r"a.csv:2 is not CSV \(unexpected end of data\)"),
        ("a.csv", "text,text,label\na,b,0\n", r"a.csv names the column 'text' twice"),
        ("a.xlsx", "x", r"the format '.xlsx' is not read; give one of .jsonl"),
        ("a.json", "[{,]", r"a.json:1 is not JSON .*expected a list of objects"),
    ],
)
def test_a_faulty_table_is_named_with_its_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        from_files(tmp_path / name, tmp_path / name)


def test_a_document_in_a_cell_may_be_long(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"text,label\n{'long ' * 100_000},yes\nshort,no\n")
    [first, _] = from_files(path, path).task.splits["train"].load()
    assert len(first.fields["text"]) == 499_999


def test_a_file_that_is_no_parquet_is_said_and_pyarrow_is_asked_for(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="is not a Parquet file"):
        from_files(path, path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"reading Parquet needs pyarrow: pip install 'inweights\[parquet\]'"):
        from_files(path, path)


def test_a_missing_file_is_named_whichever_it_is(train, test, tmp_path):
    for files in ((tmp_path / "no.jsonl", test), (train, tmp_path / "no.jsonl")):
        with pytest.raises(UserError, match=r"there is no file .*no.jsonl"):
            from_files(*files)
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        from_files(train, folder)


def test_a_label_that_training_does_not_know_is_named_with_file_line_and_the_known_ones(train, tmp_path):
    other = jsonl(tmp_path / "test.jsonl", [{"text": "a", "label": "positive"}, {"text": "b", "label": "mixed"}])
    with pytest.raises(UserError, match=r"test.jsonl:2 has the label 'mixed', which is not one of negative, positive"):
        from_files(train, other)


def test_a_pattern_with_an_unknown_field_lists_the_columns(train, test):
    with pytest.raises(UserError, match=r"asks for the field \{premise\}; .*train.jsonl has text: .*--columns premise=COL"):
        from_files(train, test, patterns=["{premise}?"])
    with pytest.raises(UserError, match=r"the pattern 'same\?' has no field of the example"):
        from_files(train, test, patterns=["same?"])


def test_a_column_that_is_not_there_is_named(train, test):
    with pytest.raises(UserError, match=r"has no column 'gold' \(given for label\); it has text, label"):
        from_files(train, test, columns={"label": "gold"})


@pytest.mark.parametrize(
    ("labels", "words", "message"),
    [
        (["yes"], None, r"1 labels were given \(yes\) and the file has 2 \(negative, positive\): give one for each"),
        (["positive", "mixed"], None, r"mixed is not a label of the file, which has negative, positive: give all"),
        (None, ["bad"], r"1 label words were given \(bad\) and there are 2 labels \(negative, positive\)"),
        (None, ["same", "same"], r"label words must differ, not same, same"),
        (["positive", "positive"], None, r"positive, positive is not a label of the file"),
    ],
)
def test_labels_that_do_not_fit_the_file_are_refused(train, test, labels, words, message):
    with pytest.raises(UserError, match=message):
        from_files(train, test, labels=labels, verbalizer=words)


def test_something_to_measure_on_is_wanted(train):
    with pytest.raises(UserError, match="there is no evaluation set: give --test FILE, --ood NAME=FILE, or both"):
        from_files(train)
    with pytest.raises(UserError, match="an out-of-domain set cannot be called train"):
        from_files(train, ood={"train": train})


def test_two_fields_do_not_share_a_column_because_their_names_mean_the_same(tmp_path):
    train = jsonl(tmp_path / "train.jsonl", TEXTS)
    with pytest.raises(UserError, match=r"asks for the field \{question\}"):
        from_files(train, train, patterns=["{question} {text}"])
