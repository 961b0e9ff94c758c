"""A preset finds its sets in the layouts that published copies come in, and says what it looked for."""

import json
import sys
from pathlib import Path

import pytest

from inweights.tasks import task
from inweights.types import UserError

RTE = [
    {"premise": "A dog runs.", "hypothesis": "An animal runs.", "label": "entailment"},
    {"premise": "A dog runs.", "hypothesis": "A dog sleeps.", "label": "not_entailment"},
]


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    put(path, "".join(json.dumps(row) + "\n" for row in rows))


def labels(folder: Path, name: str, split: str) -> list[int | None]:
    return [example.label for example in task(name, folder).splits[split].load()]


def test_glues_own_files_are_read_by_their_own_names(tmp_path):
    lines = 'index\tsentence1\tsentence2\tlabel\n0\tA dog runs.\tAn "odd mark.\tentailment\n1\tA.\tB.\tnot_entailment\n'
    for name in ("train", "dev"):
        put(tmp_path / "RTE" / f"{name}.tsv", lines)
    first = task("rte", tmp_path).splits["dev"].load()[0]
    assert first.fields == {"premise": "A dog runs.", "hypothesis": 'An "odd mark.'}
    assert labels(tmp_path, "rte", "dev") == [0, 1]


def test_mnlis_gold_label_is_read_and_not_one_annotators(tmp_path):
    lines = "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\tA.\tB.\tneutral\tentailment\n1\tA.\tC.\tneutral\t-\n"
    put(tmp_path / "MNLI" / "train.tsv", lines)
    put(tmp_path / "MNLI" / "dev_matched.tsv", lines)
    assert labels(tmp_path, "mnli", "matched") == [0]  # "-": the annotators did not agree


@pytest.mark.parametrize(("name", "kept"), [("mnli", [0, 1, 2]), ("mnli-no-neutral", [0, 1]), ("mnli-merged", [0, 1, 1])])
@pytest.mark.parametrize("spelling", [("entailment", "neutral", "contradiction"), (0, 1, 2)])
def test_the_three_readings_of_mnli_agree_on_what_each_label_becomes(tmp_path, name, kept, spelling):
    rows = [{"premise": "A.", "hypothesis": "B.", "label": label} for label in spelling]
    jsonl(tmp_path / "mnli" / "train.jsonl", rows)
    jsonl(tmp_path / "mnli" / "dev_matched.jsonl", rows)
    assert labels(tmp_path, name, "train") == kept


def test_cbs_integers_are_not_in_mnlis_order(tmp_path):
    rows = [{"premise": "A.", "hypothesis": "B.", "label": label} for label in (0, 1, 2)]
    jsonl(tmp_path / "cb" / "train.jsonl", rows)
    jsonl(tmp_path / "cb" / "validation.jsonl", rows)
    names = task("cb", tmp_path).prompt.labels
    assert [names[i] for i in labels(tmp_path, "cb", "train")] == ["entailment", "contradiction", "neutral"]


def test_shards_of_a_hubs_layout_are_one_set(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    folder = tmp_path / "rte" / "data"
    folder.mkdir(parents=True)
    for shard in (0, 1):
        table = arrow.Table.from_pylist([{"sentence1": f"{shard}", "sentence2": "B.", "label": shard, "idx": 0}])
        parquet.write_table(table, folder / f"train-{shard:05}-of-00002.parquet")
    parquet.write_table(table, folder / "validation-00000-of-00001.parquet")
    assert labels(tmp_path, "rte", "train") == [0, 1]
    assert labels(tmp_path, "rte", "dev") == [1]


def test_colas_files_have_no_line_of_names(tmp_path):
    for name in ("in_domain_train", "in_domain_dev", "out_of_domain_dev"):
        put(tmp_path / "cola_public" / "raw" / f"{name}.tsv", "gj04\t1\t\tDogs run.\nbc01\t0\t*\tDogs the run.\n")
    assert labels(tmp_path, "cola", "cola-ood") == [1, 0]
    assert task("cola", tmp_path).splits["train"].load()[1].fields == {"sentence": "Dogs the run."}
    assert task("cola", tmp_path).metric == "mcc"


def test_broken_lines_of_glues_qqp_are_left_out(tmp_path):
    lines = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tA?\tB?\t0\n7\t1\t2\tbroken\n1\t1\t2\tA?\tC?\t1\n"
    put(tmp_path / "QQP" / "train.tsv", lines)
    put(tmp_path / "QQP" / "dev.tsv", lines)
    assert labels(tmp_path, "qqp", "train") == [0, 1]


def test_paws_qqp_reads_the_same_whichever_python_its_script_ran_under(tmp_path):
    rows = [{"question1": "A?", "question2": "B?", "label": i} for i in (0, 1)]
    jsonl(tmp_path / "qqp" / "train.jsonl", rows)
    jsonl(tmp_path / "qqp" / "dev.jsonl", rows)
    lines = "id\tsentence1\tsentence2\tlabel\n1\tb'What is caf\\xc3\\xa9 ?'\tb\"It 's what ?\"\t0\n2\tWhat ?\tHow ?\t1\n"
    put(tmp_path / "paws_qqp" / "dev_and_test.tsv", lines)
    first, second = task("qqp", tmp_path).splits["paws-qqp"].load()
    assert first.fields == {"q1": "What is café ?", "q2": "It 's what ?"}
    assert second.fields == {"q1": "What ?", "q2": "How ?"}


def test_the_official_hans_is_not_taken_for_a_regenerated_one(tmp_path):
    jsonl(tmp_path / "rte" / "train.jsonl", RTE)
    jsonl(tmp_path / "rte" / "dev.jsonl", RTE)
    hans = [{"gold_label": "non-entailment", "sentence1": "A.", "sentence2": "B.", "heuristic": "h", "subcase": "a/b"}]
    jsonl(tmp_path / "hans" / "heuristics_evaluation_set.jsonl", hans)
    found = task("rte", tmp_path)
    assert list(found.evaluation) == ["dev", "hans"]
    [example] = found.splits["hans"].load()
    assert (example.label, example.subset) == (1, "h/a_b")


def test_the_tasks_own_folder_may_be_given_too(tmp_path):
    jsonl(tmp_path / "rte" / "train.jsonl", RTE)
    jsonl(tmp_path / "rte" / "dev.jsonl", RTE)
    assert labels(tmp_path / "rte", "rte", "dev") == labels(tmp_path, "rte", "dev") == [0, 1]


def test_a_challenge_set_that_is_not_there_is_said_and_does_without(tmp_path):
    jsonl(tmp_path / "rte" / "train.jsonl", RTE)
    jsonl(tmp_path / "rte" / "dev.jsonl", RTE)
    found = task("rte", tmp_path)
    assert list(found.evaluation) == ["dev"]
    [note] = found.notes
    assert note.startswith("rte is scored in-domain only: ")
    assert "has no hans set of rte: looked in hans and HANS for ood, heuristics_evaluation_set" in note


def test_missing_data_says_what_was_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"has no train set of rte: looked in rte and RTE for train, .* one of .jsonl"):
        task("rte", tmp_path)
    jsonl(tmp_path / "rte" / "train.jsonl", RTE)
    with pytest.raises(UserError, match=r"has no dev set of rte: looked in .* for dev, validation"):
        task("rte", tmp_path)
    with pytest.raises(UserError, match="there is no data folder"):
        task("rte", tmp_path / "nowhere")


def test_a_file_of_another_shape_lists_its_columns(tmp_path):
    jsonl(tmp_path / "rte" / "train.jsonl", [{"premise": "A.", "question": "B?", "label": 0}])
    jsonl(tmp_path / "rte" / "dev.jsonl", [{"premise": "A.", "hypothesis": "B.", "gold": 0}])
    found = task("rte", tmp_path)
    with pytest.raises(UserError, match=r"no column for hypothesis \(hypothesis or sentence2\); it has premise, question"):
        found.splits["train"].load()
    with pytest.raises(UserError, match=r"has no label column \(label, .*\); it has premise, hypothesis, gold"):
        found.splits["dev"].load()


def test_a_test_set_published_without_labels_is_no_evaluation_set(tmp_path):
    jsonl(tmp_path / "trec" / "train.jsonl", [{"text": "Who?", "label": "HUM"}])
    jsonl(tmp_path / "trec" / "test.jsonl", [{"text": "Who?", "label": -1}])
    with pytest.raises(UserError, match="has no labels: every 'label' is one of '', '-1'"):
        task("trec", tmp_path).splits["dev"].load()


def test_without_a_folder_and_without_a_hub_the_folder_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"the data of rte is not given, and no hub can be used.*--data FOLDER.*\[hub\]"):
        task("rte")
