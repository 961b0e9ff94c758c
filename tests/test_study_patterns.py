"""Several patterns in one study: each a run of its own, or one chosen on the shots."""

from dataclasses import dataclass, replace

import pytest
import torch

from inweights import METHODS, Example, Prompt, Task, compare
from inweights.exports.refit import planned_again
from inweights.methods import Fitted
from inweights.readouts import LabelWords
from inweights.records import read_folder
from inweights.report import markdown, rows_of
from inweights.report.page import page
from inweights.study.spec import spec_of
from inweights.study.tuning import tuned
from inweights.types import Budget, Split, UserError
from tests.test_methods_contract import SHOTS
from tests.test_study_grid import grid
from tests.tiny import folder, tiny

TWO = ["held-out-1", "held-out-2"]
TEXT = "{sentence} Topic, in a word?"


@dataclass(frozen=True)
class Oracle:
    """Answers rightly by the pattern called good, and wrongly by any other."""

    needs = frozenset({"choices"})

    def fit(self, model, prompt, shots, budget):
        return [Fitted(Told(model, prompt)) for _ in shots]


@dataclass(frozen=True)
class Told(LabelWords):
    def __call__(self, examples):
        right = torch.tensor([example.label for example in examples])
        return torch.nn.functional.one_hot(right if self.prompt.name == "good" else 1 - right, 2).float()


def task() -> Task:
    def examples() -> tuple[Example, ...]:
        return tuple(Example({"text": f"the {word} king {i}"}, i % 2) for i in range(8) for word in ("old", "red"))

    prompts = [Prompt(f"{{text}} is {name}?", ("no", "yes"), ("bad", "fine"), name=name) for name in ("poor", "good")]
    return Task("mine", tuple(prompts), {"train": Split(examples, "train"), "test": Split(examples, "in-domain")})


def patterns(settings):
    return list(dict.fromkeys(each.run.prompt for each in settings))


def test_every_pattern_is_a_run_of_its_own_whether_named_or_written():
    settings, _ = grid(methods="zero-shot,icl", patterns=["held-out-1", TEXT], seeds=2)
    named, written = patterns(settings)
    assert (named, written.startswith("custom-")) == ("held-out-1", True)
    assert [each.prompt.pattern for each in settings if each.run.prompt == written] == [TEXT] * 3
    # Label words are the task's own unless others are given.
    assert settings[-1].prompt.verbalizer == settings[0].task.prompt.verbalizer
    assert len(settings) == 2 * (1 + 2)


@pytest.mark.parametrize(
    "keys",
    [{"patterns": "held-out-1,held-out-2"}, {"patterns": ["held-out-1"], "pattern_name": "held-out-2"}, {"patterns": TWO}],
)
def test_patterns_are_given_as_names_in_one_text_as_a_list_or_by_the_names_of_one(keys):
    assert patterns(grid(methods="icl", **keys)[0]) == TWO
    assert spec_of({"pattern": "{text}, so?"}).patterns == ["{text}, so?"]


def test_all_is_every_pattern_of_the_task():
    settings, _ = grid(methods="icl", patterns="all", seeds=1)
    assert patterns(settings) == [prompt.name for prompt in settings[0].task.prompts]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"patterns": "minimol"}, r"task 'made-topic' has no pattern named 'minimol'; it has "),
        ({"patterns": ["{place} is?"]}, r"the pattern '\{place\} is\?' asks for the field \{place\}"),
        ({"verbalizer": "a,b"}, "--verbalizer and --answer-prefix go with a pattern of your own"),
        ({"patterns": [TEXT], "verbalizer": "a,b,c,d,e,f"}, "labels .* but 6 label words"),
    ],
)
def test_a_pattern_that_cannot_be_had_is_refused_before_anything_runs(keys, message):
    with pytest.raises(UserError, match=message):
        grid(methods="icl", **keys)


def test_the_pattern_with_most_right_answers_on_shots_held_out_is_chosen():
    chosen, notes = tuned(Oracle(), "kfold", tiny("gpt2"), task().prompts, SHOTS, Budget())
    assert chosen.prompt.name == "good"
    assert notes == {"tuned_pattern": "good", "tuned_on_shots": {"poor": 0.0, "good": 1.0}}


def test_equally_good_patterns_and_rates_leave_the_first_pattern_and_the_methods_own_rate():
    method = METHODS["pbft+bitfit"]
    prompts = [replace(prompt, verbalizer=("great", "bad")) for prompt in task().prompts]
    chosen, notes = tuned(method, "holdout", tiny("opt"), prompts, SHOTS, Budget(steps=1))
    scored = notes["tuned_on_shots"]
    assert len(scored) == 6
    assert all(name.split(", ")[0] in ("poor", "good") for name in scored)
    if len(set(scored.values())) == 1:
        assert (chosen.prompt.name, chosen.method.schedule.lr) == ("poor", method.schedule.lr)
    assert scored[f"{notes['tuned_pattern']}, {notes['tuned_lr']:.3g}"] == max(scored.values())


def test_with_tuning_patterns_are_one_run_whose_choice_stands_in_record_table_and_page(tmp_path):
    given = {"model": str(folder("gpt2")), "task": task(), "shots": 4, "seeds": 2, "out": tmp_path}
    study = compare(**given, methods={"told": Oracle(), "icl": METHODS["icl"]}, patterns="all", tune="kfold")
    told = [each for each in study.records if each.run.method == "told"]
    assert [each.run.prompt for each in told] == ["poor,good"] * 2
    assert [each.notes["tuned_pattern"] for each in told] == ["good"] * 2
    assert all(sum(each.outcomes["test"].scores) == 16 for each in told)
    text = markdown(study.records)
    assert "| mine | 4 | told (tune=kfold) | good | 1.000" in text
    assert "pattern good '{text} is good?', label words no, yes" in text
    assert "told (tune=kfold) by good" in page(study.records)
    # No draw changes zero-shot, but the choice of its pattern.
    drawn = compare(**given, methods="zero-shot", patterns="all", tune="kfold", dry_run=True)
    assert [(each.run.shots, each.run.seed) for each in drawn.settings] == [(4, 0), (4, 1)]


def test_patterns_are_a_column_where_there_are_several_and_names_tell_them_apart(tmp_path):
    given = {"model": str(folder("gpt2")), "task": "made-topic", "shots": 4, "seeds": 2, "limit": 8, "out": tmp_path}
    one = compare(**given, methods="zero-shot,icl", patterns=TWO[:1])
    assert "| task | shots | method | test |" in markdown(one.records)
    both = compare(**given, methods="zero-shot,icl", patterns=TWO)
    assert "| task | shots | method | pattern | test |" in markdown(both.records)
    rows = rows_of(both.records)
    assert [(row.method, row.prompt) for row in rows] == [(m, p) for m in ("icl", "zero-shot") for p in TWO]
    assert rows[0].name == "icl by held-out-1"
    assert all(set(row.tied_with) <= {other.name for other in rows} for row in rows)
    planned = both.fit("icl", pattern="held-out-2").readout.prompt
    assert planned.name == "held-out-2"


def test_a_run_with_a_written_or_a_chosen_pattern_is_planned_again_from_the_folder(tmp_path):
    given = {"model": str(folder("gpt2")), "task": "made-topic", "methods": "icl", "shots": 8, "seeds": 1, "limit": 4}
    for keys in ({}, {"tune": "holdout"}):
        study = compare(**given, patterns=["held-out-1", TEXT], out=tmp_path / str(len(keys)), **keys)
        for record in read_folder(study.folder):
            again, _ = planned_again(study.folder, record.run)
            assert again.prompts == study.planned(record.run).prompts
