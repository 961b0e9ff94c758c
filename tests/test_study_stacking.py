"""Seeds of one method train in one pass of a study, and come out as they do alone; the records say that they did."""

import pytest
import torch

from inweights.methods import prepared
from inweights.methods.pattern import PatternFineTune
from inweights.report import markdown
from inweights.report.rows import rows_of
from inweights.study.api import compare
from inweights.study.tuning import tuned
from inweights.types import Budget, Record
from inweights.updates import LoRA
from tests.test_methods_contract import PROMPT, SHOTS
from tests.test_together import SCHEDULE
from tests.tiny import folder, tiny

NO_PLACE = "its attention cannot be replaced"

GRID = {"task": ["made-topic"], "shots": [4], "seeds": 3, "limit": 12, "steps": 4}


def records_of(methods: list[str], out=None, model: str = "opt", **more) -> dict[tuple[str, int], Record]:
    found = compare(model=str(folder(model)), methods=methods, out=out, **GRID, **more).records
    assert [each.status for each in found] == ["ok"] * len(found)
    return {(each.run.method, each.run.seed): each for each in found}


METHODS = ["pbft+lora", "pbft+bitfit", "vanilla+frozen", "distill+lora", "pbft", "icl"]


def test_stacked_and_isolated_studies_have_the_same_figures():
    together, alone = records_of(METHODS), records_of(METHODS, isolated=True)
    for key, record in together.items():
        other = alone[key]
        assert record.losses == pytest.approx(other.losses, abs=1e-4)
        assert {n: o.answers for n, o in record.outcomes.items()} == {n: o.answers for n, o in other.outcomes.items()}
        assert record.notes.get("stacked", 1) == (1 if key[0] in ("pbft", "icl") else 3)
        assert "stacked" not in other.notes


def test_what_adapting_took_is_shared_out_evenly():
    found = list(records_of(["pbft+lora"]).values())
    assert len({record.adapt.seconds for record in found}) == 1
    assert len({record.adapt.tokens for record in found}) == 1
    assert len({record.predict.seconds for record in found}) == 3
    assert len({record.adapt.peak_bytes for record in found}) == 1
    assert "pbft+lora: up to 3 seeds trained in one pass; adapt s is one's share, peak MB that of all" in markdown(found)


def test_seeds_that_train_alone_and_those_that_train_together_are_rows_of_their_own(tmp_path):
    together = records_of(["pbft+lora"], tmp_path)
    alone = records_of(["pbft+lora"], tmp_path, isolated=True)
    names = [row.method for row in rows_of([*together.values(), *alone.values()])]
    assert names == ["pbft+lora (seeds: each alone)", "pbft+lora (seeds: together)"]


def test_what_a_failed_stack_asked_its_teacher_is_part_of_what_each_run_took(monkeypatch):
    whole = prepared.minimize_together

    def failing(losses, jobs, *others, **options):
        if len(jobs) > 1:
            raise RuntimeError("too much")
        return whole(losses, jobs, *others, **options)

    expected = records_of(["distill+lora"], isolated=True)
    monkeypatch.setattr(prepared, "minimize_together", failing)
    for key, record in records_of(["distill+lora"]).items():
        assert "stacked" not in record.notes
        assert record.adapt.tokens == expected[key].adapt.tokens


def test_a_stack_that_fails_is_done_run_by_run(monkeypatch):
    whole = PatternFineTune.fit

    def fit(self, model, prompt, shots, budget):
        if len(shots) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, model, prompt, shots, budget)

    expected = records_of(["pbft+lora"], isolated=True)
    monkeypatch.setattr(PatternFineTune, "fit", fit)
    for key, record in records_of(["pbft+lora"]).items():
        assert "stacked" not in record.notes
        assert record.losses == pytest.approx(expected[key[0], key[1]].losses, abs=1e-4)


def test_what_is_there_already_is_not_trained_again_with_the_rest(tmp_path):
    records_of(["pbft+lora"], tmp_path)
    next((tmp_path / "records").glob("*seed1*")).unlink()
    assert [record.notes.get("stacked", 1) for record in records_of(["pbft+lora"], tmp_path).values()] == [3, 1, 3]


def test_a_model_whose_attention_is_its_own_trains_run_by_run_and_says_so():
    for record in records_of(["pbft+lora"], model="bloom").values():
        assert "stacked" not in record.notes
        assert record.environment["attention"] == f"whole padded prompts ({NO_PLACE})"


def test_nothing_of_a_teacher_is_left_when_its_run_has_ended(tmp_path):
    records_of(["distill+lora"], tmp_path)
    assert not list((tmp_path / "targets").rglob("*.safetensors"))


def test_tuning_tries_its_rates_and_folds_together_and_chooses_as_it_would_one_by_one():
    method = PatternFineTune(schedule=SCHEDULE)
    lora = PatternFineTune(LoRA(), SCHEDULE)
    for each in (method, lora):
        together = tuned(each, "kfold", tiny("opt"), [PROMPT], SHOTS, Budget(steps=4))
        alone = tuned(each, "kfold", tiny("opt"), [PROMPT], SHOTS, Budget(steps=4, isolated=True))
        assert together == alone
