"""A user's own files: every format reads alike, and what was detected is what a person would see in them."""

from pathlib import Path

import pytest

from inweights.tasks.files import from_files
from tests.user_files import TEXTS, jsonl

DATA = Path(__file__).parents[2] / "shared" / "data"
PAIRS = [{"question1": "A?", "question2": "B?", "label": 0}, {"question1": "C?", "question2": "D?", "label": 1}]


@pytest.fixture
def train(tmp_path) -> Path:
    return jsonl(tmp_path / "train.jsonl", TEXTS)


@pytest.fixture
def test(tmp_path) -> Path:
    return jsonl(tmp_path / "test.jsonl", [{"text": "fine", "label": "positive"}, {"text": "ill", "label": "negative"}])


def read(tmp_path: Path, name: str, text: str | bytes) -> list[tuple[dict[str, str], int | None]]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    examples = from_files(path, path).task.splits["train"].load()
    return [(dict(example.fields), example.label) for example in examples]


SAME = [({"text": 'a "b", c'}, 1), ({"text": "d"}, 0)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"text": "a \\"b\\", c", "label": "yes"}\n\n{"text": "d", "label": "no"}\n'),
        ("a.json", '[{"text": "a \\"b\\", c", "label": "yes"},\n {"text": "d", "label": "no"}]'),
        ("a.csv", 'text,label\n"a ""b"", c",yes\nd,no\n'),
        ("a.CSV", '\ufefflabel,text\r\nyes,"a ""b"", c"\r\nno,d\r\n'),
        ("a.tsv", 'text\tlabel\na "b", c\tyes\nd\tno\n'),
        ("index.csv", ',text,label\n0,"a ""b"", c",yes\n1,d,no\n'),
        ("spaces.jsonl", '{"text": " a \\"b\\", c", "label": "yes "}\n{"text": "d", "label": "no"}\n'),
        ("Capitals.jsonl", '{"Text": "a \\"b\\", c", "LABEL": "yes"}\n{"Text": "d", "LABEL": "no"}\n'),
    ],
)
def test_every_format_reads_the_same(tmp_path, name, text):
    found = [({key.lower(): value for key, value in fields.items()}, label) for fields, label in read(tmp_path, name, text)]
    assert found == SAME


def test_parquet_reads_the_same(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.Table.from_pylist([{"text": 'a "b", c', "label": 1}, {"text": "d", "label": 0}])
    parquet.write_table(table, tmp_path / "a.parquet")
    examples = from_files(tmp_path / "a.parquet", tmp_path / "a.parquet").task.splits["train"].load()
    assert [(dict(example.fields), example.label) for example in examples] == SAME


def test_what_was_detected_is_said_with_one_rendered_example(train, test):
    lines = from_files(train, test, labels=["negative", "positive"]).detected
    assert lines[0].endswith("train.jsonl: JSONL; label column 'label'; text from 'text' as {text}")
    assert lines[1] == "labels: negative = 'negative', positive = 'positive'"
    assert lines[2] == "train: 2 examples (negative 1, positive 1)"
    assert lines[-2:] == ("one example, as the model reads it:", "text: good\nlabel: positive")


def test_the_fields_of_a_pattern_are_found_under_their_usual_other_names(tmp_path):
    path = jsonl(tmp_path / "qqp.jsonl", PAIRS)
    own = from_files(path, path, patterns=["{q1} {q2} same?"], labels=["no", "yes"])
    assert own.task.prompt.answered(own.task.splits["train"].load()[1]) == "C? D? same? yes"
    assert "'question1' as {q1}, 'question2' as {q2}" in own.detected[0]


def test_columns_may_be_named_and_differ_between_the_pattern_and_the_files(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"left": "A", "right": "B", "gold": i} for i in (0, 1)])
    columns = {"q1": "left", "q2": "right", "label": "gold"}
    own = from_files(path, path, patterns=["{q2} {q1}?"], columns=columns)
    assert own.task.prompt.body(own.task.splits["test"].load()[0]) == "B A?"


def test_without_a_pattern_columns_of_words_are_the_text_and_ids_and_numbers_are_not(tmp_path):
    rows = [{"id": "a1", "stars": "3", "verdict": "fine", "remark": "so", "label": i} for i in (0, 1)]
    path = jsonl(tmp_path / "a.jsonl", rows)
    assert from_files(path, path).task.prompt.field_names == ("verdict", "remark")


def test_labels_are_numbers_in_their_order_then_the_alphabet(tmp_path):
    def order(labels: list[object]) -> tuple[str, ...]:
        path = jsonl(tmp_path / "a.jsonl", [{"text": "x", "label": label} for label in labels])
        return from_files(path, path).task.prompt.labels

    assert order([10, 9, -1]) == ("-1", "9", "10")
    assert order(["b", "a", "2"]) == ("2", "a", "b")
    assert order([True, False]) == ("false", "true")
    assert order([1.0, 0.0, 1]) == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "order", "words"),
    [
        (None, ("no_way", "yes"), ("no way", "yes")),
        (["yes", "no_way"], ("yes", "no_way"), ("yes", "no way")),
        (["right", "wrong"], ("no_way", "yes"), ("right", "wrong")),
        ([" wrong", "right "], ("no_way", "yes"), ("wrong", "right")),
        (["yes=right", "no_way=wrong"], ("yes", "no_way"), ("right", "wrong")),
        # Taken as words in the file's order, these would turn the labels round.
        (["Yes", "No way"], ("yes", "no_way"), ("Yes", "No way")),
    ],
)
def test_labels_are_names_in_the_order_wanted_or_words_for_them(tmp_path, labels, order, words):
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x", "label": label} for label in ("yes", "no_way")])
    prompt = from_files(path, path, labels=labels).task.prompt
    assert (prompt.labels, prompt.verbalizer) == (order, words)


def test_label_words_of_several_words_go_with_the_order_of_the_labels(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x", "label": label} for label in ("a", "b", "c")])
    prompt = from_files(path, path, labels=["c", "b", "a"], verbalizer=["the third", "two", "one"]).task.prompt
    assert dict(zip(prompt.labels, prompt.verbalizer, strict=True)) == {"a": "one", "b": "two", "c": "the third"}


def test_the_unlabelled_file_needs_no_label_column_and_its_labels_are_not_read(train, test, tmp_path):
    for row in ({"text": "so"}, {"text": "so", "label": "unheard of"}):
        pool = jsonl(tmp_path / "pool.jsonl", [row])
        own = from_files(train, test, unlabelled=pool)
        assert [example.label for example in own.task.splits["unlabelled"].load()] == [None]
    assert "unlabelled: 1 examples (without labels)" in own.detected


def test_test_examples_that_stand_in_train_are_counted(train, tmp_path):
    again = jsonl(tmp_path / "test.jsonl", [*TEXTS, {"text": "new", "label": "positive"}])
    lines = from_files(train, again).detected
    assert "warning: 2 of the 3 examples of test are in the training file, too" in lines


def test_words_that_are_numbers_are_warned_of(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", PAIRS)
    assert any("label words are numbers" in line for line in from_files(path, path).detected)
    assert not any("label words are numbers" in line for line in from_files(path, path, labels=["no", "yes"]).detected)


def test_a_file_mended_after_it_was_read_is_read_again(train, test):
    assert len(from_files(train, test).task.splits["test"].load()) == 2
    jsonl(test, TEXTS * 3)
    assert len(from_files(train, test).task.splits["test"].load()) == 6


def test_braces_and_other_marks_of_the_text_are_kept(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"text": "{text} {} {{x}} %s \\n $1", "label": i} for i in (0, 1)])
    own = from_files(path, path, patterns=["{text}!"])
    assert own.task.prompt.body(own.task.splits["train"].load()[0]) == "{text} {} {{x}} %s \\n $1!"


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside this checkout")
@pytest.mark.parametrize("name", ["cola", "mnli", "mrpc", "qnli", "qqp", "rte", "snli", "sst2"])
@pytest.mark.parametrize("seed", [13, 100])
def test_the_lm_bff_splits_read_as_a_users_files(name, seed):
    folder = DATA / "kshot_lmbff" / name
    own = from_files(folder / f"train_16-{seed}.jsonl", folder / f"dev_16-{seed}.jsonl")
    labels = len(own.task.prompt.labels)
    assert labels == (3 if name in ("mnli", "snli") else 2)
    assert [len(split.load()) for split in own.task.splits.values()] == [16 * labels] * 2
