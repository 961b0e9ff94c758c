"""A grid is resolved and checked before weights are read: what runs on which model, with which settings."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from inweights import models
from inweights.cli import main
from inweights.methods import METHODS, method
from inweights.models.skeleton import skeleton
from inweights.records import read_folder
from inweights.report.rows import rows_of
from inweights.study.api import compare, study_of
from inweights.study.applicability import default_methods, trainable, why_not_applicable
from inweights.study.grid import planned_runs, tasks_of
from inweights.study.spec import spec_of, to_keep, weights_of
from inweights.types import UserError, Weights
from tests.tiny import folder
from tests.user_files import TEXTS, jsonl

FOLDERS = ("opt", "opt-350m", "llama", "qwen2", "gpt2", "gpt_neox", "gemma", "bert", "distilbert")


def grid(**values):
    spec = spec_of({"model": str(folder("llama")), "task": "made-topic", "shots": 4, "seeds": 2, **values})
    return planned_runs(spec, tasks_of(spec)[0])


@pytest.mark.parametrize("architecture", FOLDERS)
def test_a_skeleton_has_the_shapes_of_the_model_and_none_of_its_values(architecture):
    name = str(folder(architecture))
    shape, loaded = skeleton(name), models.load(name)
    assert all(parameter.is_meta for parameter in shape.module.parameters())
    assert {n: p.shape for n, p in shape.module.named_parameters()} == {
        n: p.shape for n, p in loaded.module.named_parameters()
    }
    assert (shape.card.family, shape.card.architecture, shape.card.parameters) == (
        loaded.card.family, loaded.card.architecture, loaded.card.parameters,
    )  # fmt: skip
    assert shape.encode(["the judge"]) == loaded.encode(["the judge"])


@pytest.mark.parametrize("architecture", FOLDERS)
@pytest.mark.parametrize("name", METHODS)
def test_what_is_said_to_fit_a_model_trains_that_many_parameters_of_it(architecture, name):
    tried, place = method(name), str(folder(architecture))
    if reason := why_not_applicable(tried, place):
        assert "family" in reason or "no bias" in reason
        return
    assert trainable(tried, skeleton(place)) == trainable(tried, models.load(place))


def test_bitfit_is_left_out_of_the_default_methods_where_there_are_no_biases_and_the_reason_is_told():
    names, left_out = default_methods(str(folder("llama")))
    assert not [name for name in names if "bitfit" in name]
    assert set(left_out) == {"vanilla+bitfit", "pbft+bitfit", "distill+bitfit"}
    assert all("bias" in reason for reason in left_out.values())
    assert "pbft+bitfit" in default_methods(str(folder("gpt2")))[0]


def test_a_method_asked_for_by_name_has_to_run_on_the_model():
    with pytest.raises(UserError, match="pbft\\+bitfit does not run on"):
        grid(methods="pbft+bitfit")


def test_a_setting_of_one_method_goes_before_that_of_all():
    settings, _ = grid(methods="icl,vanilla,pbft+lora", set={"schedule.epochs": "3", "pbft+lora.schedule.epochs": "5"})
    epochs = {s.run.method: s.run.settings.get("schedule.epochs") for s in settings}
    assert epochs == {"icl": None, "vanilla": "3", "pbft+lora": "5"}


@pytest.mark.parametrize("path", ["shedule.epochs", "pbft", "nosuch.rank"])
def test_a_setting_that_no_method_has_is_refused(path):
    with pytest.raises(UserError, match="--set"):
        grid(methods="vanilla,pbft", set={path: "3"})


def test_all_methods_of_a_seed_come_before_the_next_seed():
    settings, _ = grid(methods="icl,icl+batch")
    assert [(s.run.seed, s.run.method) for s in settings] == [
        (0, "icl"), (0, "icl+batch"), (1, "icl"), (1, "icl+batch"),
    ]  # fmt: skip


def test_what_no_draw_changes_is_planned_once_whatever_the_seeds_and_shots():
    settings, _ = grid(methods="zero-shot,zero-shot+batch,icl", shots=[4, 8], seeds=3)
    planned = [(s.run.shots, s.run.seed) for s in settings if s.run.method == "zero-shot"]
    assert planned == [(0, 0)]
    # Calibration on drawn inputs is another matter.
    assert len([s for s in settings if s.run.method == "zero-shot+batch"]) == 6


def test_what_no_draw_changes_stands_beside_every_number_of_shots(tmp_path):
    grid = {"task": "made-topic", "methods": "zero-shot,icl", "shots": [4, 8], "seeds": 2, "limit": 8}
    rows = rows_of(compare(model=str(folder("gpt2")), **grid, out=tmp_path).records)
    assert [(row.shots, row.method, len(row.seeds)) for row in rows] == [
        (4, "icl", 2), (4, "zero-shot", 1), (8, "icl", 2), (8, "zero-shot", 1),
    ]  # fmt: skip
    assert all("zero-shot" in row.tied_with or "icl" in row.tied_with for row in rows)


def test_records_of_other_data_under_the_same_name_are_not_mixed(tmp_path):
    place = {"model": str(folder("gpt2")), "task": "made-topic", "methods": "zero-shot", "shots": 4, "limit": 4, "seeds": 1}
    compare(**place, out=tmp_path)
    spec = spec_of(place)
    task = tasks_of(spec)[0][0]
    changed = replace(task, splits={**task.splits, "test": task.splits["ood"]})
    with pytest.raises(UserError, match="data digest"):
        study_of(spec, [changed], tmp_path).run()


def test_a_spec_is_read_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    spec = spec_of(
        {"train": "a.jsonl", "ood": {"b": "b.jsonl"}, "data": "sets", "model": ["weights", "embedded", "org/hub"]}
    )
    spec = spec_of(to_keep(spec))
    assert (spec.train, spec.ood, spec.data) == (
        str(tmp_path / "a.jsonl"),
        {"b": str(tmp_path / "b.jsonl")},
        str(tmp_path / "sets"),
    )
    assert spec.model == [str(tmp_path / "weights"), "embedded", "org/hub"]


def test_a_line_break_in_a_pattern_can_be_typed_in_a_shell(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("train", "test"):
        jsonl(tmp_path / f"{name}.jsonl", TEXTS)
    files = [
        "--train",
        "train.jsonl",
        "--test",
        "test.jsonl",
        "--model",
        str(folder("gpt2")),
        "--shots",
        "2",
        "--seeds",
        "1",
    ]
    with pytest.raises(SystemExit) as done:
        main(["compare", *files, "--methods", "zero-shot", "--pattern", r"{text}\nAnswer:", "--dry-run"])
    assert not done.value.code
    shown = capsys.readouterr().out
    assert "Answer:" in shown
    assert r"\n" not in shown


def test_weights_of_two_dtypes_are_two_runs_and_stand_in_one_table(tmp_path):
    place = {"task": "made-topic", "methods": "zero-shot", "shots": 4, "limit": 4, "seeds": 1}
    name = str(folder("gpt2"))
    compare(model=name, **place, out=tmp_path)
    again = compare(model=name, dtype="bf16", **place, out=tmp_path)
    assert [record.environment["dtype"] for record in again.records] == ["bf16"]
    assert {row.model for row in rows_of(read_folder(tmp_path))} == {name, f"{name}@bf16"}
    both = compare(model=[name, f"{name}@bf16"], **place, out=tmp_path)
    assert [record.environment["dtype"] for record in both.records] == ["fp32", "bf16"]


def test_the_dtype_is_that_of_every_model_without_a_suffix():
    spec = spec_of({"model": ["org/a", "org/b@fp32", "org/c@nf4"], "dtype": "bf16"})
    assert weights_of(spec) == [Weights("org/a", "bf16"), Weights("org/b", "fp32"), Weights("org/c", quantization="nf4")]
    with pytest.raises(UserError, match="'float' is not a dtype: expected one of auto, fp32, bf16, fp16"):
        grid(dtype="float")


def test_quantized_weights_are_refused_before_anything_runs():
    with pytest.raises(UserError, match=r"quantized weights \(nf4\) are not available yet: take org/a@bf16, or org/a"):
        grid(model="org/a@nf4")


def test_a_record_keeps_answers_gold_and_scores_by_example(tmp_path):
    study = compare(
        model=str(folder("gpt2")), task="made-topic", methods="zero-shot", shots=4, limit=6, seeds=1, out=tmp_path
    )
    [record] = study.records
    for outcome in record.outcomes.values():
        assert set(outcome.answers) | set(outcome.gold) <= set(record.labels)
        assert outcome.scores == tuple(float(a == g) for a, g in zip(outcome.answers, outcome.gold, strict=True))
        for answer, row in zip(outcome.answers, outcome.probabilities, strict=True):
            assert record.labels[row.index(max(row))] == answer
            assert sum(row) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("changed", ["config.json", "tokenizer.json"])
def test_the_digest_of_a_model_covers_its_configuration_and_its_tokenizer(changed, tmp_path):
    copy = Path(shutil.copytree(folder("gpt2"), tmp_path / "copy"))
    before = models.load(str(copy)).card.digest
    (copy / changed).write_text((copy / changed).read_text() + "\n")
    assert models.load(str(copy)).card.digest != before
