"""What stands beside the table in every report: verdicts on distillation, slow paths, a busy machine."""

import json
from dataclasses import replace
from html import unescape

import pytest

from inweights.report import FORMATS, rows_of
from inweights.report.distillation import distilled
from inweights.report.page import page
from inweights.report.statistics import share_of_gap
from inweights.report.tables import terminal
from tests.sample_records import LABELS, answered, record, study

SHOTS = {
    "pool_from": "unlabelled",
    "teacher_accuracy_on_shots": 0.75,
    "zero_shot_accuracy_on_shots": 0.5,
    "distillation_gap": 0.25,
    "distillation_noise": 0.2,
}


def everywhere(records):
    """Every report that is read by people, line breaks of a terminal taken out."""
    return [FORMATS["markdown"](records), " ".join(FORMATS["terminal"](records).split()), unescape(page(records))]


def right_on(method, right, seed=0, examples=100, **notes):
    """A run that is right on the first `right` examples."""
    gold = tuple(i % 2 for i in range(examples))
    given = tuple(g if i < right else 1 - g for i, g in enumerate(gold))
    return replace(record(method, seed), outcomes={"dev": answered(gold, given, LABELS)}, notes=notes)


def test_the_share_of_a_gap_is_the_students_gain_over_its_teachers():
    tables = [{0: [1.0] * right + [0.0] * (100 - right)} for right in (70, 80, 40)]
    share = share_of_gap(*tables)
    assert share.mean == pytest.approx(0.75)
    assert 0.5 < share.low < 0.75 < share.high < 1
    same = share_of_gap(tables[1], tables[1], tables[2])
    assert (same.mean, same.low, same.high) == (1, 1, 1)
    assert share_of_gap(tables[0], tables[2], tables[1]) is None
    assert share_of_gap({1: [1.0]}, {0: [1.0]}, {0: [0.0]}) is None


def test_a_teacher_beyond_noise_in_domain_is_worth_distilling_and_the_students_share_is_said():
    found = [right_on("icl", 80), right_on("zero-shot", 40), right_on("distill+lora", 70, **SHOTS)]
    line = "rte distill+lora 16 shots: teacher 0.800, zero-shot 0.400 in domain (gap +0.400, p < 0.001): something to distil"
    for text in everywhere(found):
        assert f"{line}; the student has 75% of the gap [" in text
    row = next(each for each in json.loads(FORMATS["json"](found))["rows"] if each["method"] == "distill+lora")
    assert row["distillation"]["verdict"] == "something to distil"
    assert row["distillation"]["share"]["mean"] == pytest.approx(0.75)


@pytest.mark.parametrize("teacher", [42, 30])
def test_a_teacher_within_noise_in_domain_is_not_whatever_the_shots_promised(teacher):
    found = [right_on("icl", teacher), right_on("zero-shot", 40), right_on("distill+lora", 70, **SHOTS)]
    for text in everywhere(found):
        assert f"(gap {teacher / 100 - 0.4:+.3f}, p " in text
        assert ": nothing to distil beyond noise; the student has 0.700" in text


def test_without_a_teacher_beside_it_the_shots_judge_and_seeds_make_the_noise_smaller():
    one = right_on("distill+lora", 70, **{**SHOTS, "distillation_noise": 0.3})
    [row] = rows_of([one])
    assert not distilled(row, [row]).beyond_noise
    [row] = rows_of([replace(one, run=replace(one.run, seed=seed)) for seed in range(4)])
    found = distilled(row, [row])
    # Four seeds' errors of .3 add in squares: .6 of the sum, .15 of the mean.
    assert (found.noise, found.beyond_noise, found.share) == ("two standard errors 0.15", True, None)
    for text in everywhere([one]):
        assert "teacher 0.750, zero-shot 0.500 on the shots (gap +0.250, two standard errors 0.30)" in text
        assert "add zero-shot,icl to --methods" in text


def test_a_teacher_that_answers_everything_alike_is_named():
    alike = {"teacher_commonest_on_pool": "yes", "teacher_commonest_share": 0.97}
    for text in everywhere([right_on("distill+lora", 70, **SHOTS, **alike)]):
        assert "; the teacher answers yes to nearly every unlabelled input" in text


def test_no_verdict_stands_beside_what_is_not_distilled():
    assert all("distil beyond" not in text and "to distil" not in text for text in everywhere(study(shots=(16,))))


def test_a_slow_path_stands_in_table_page_and_break_even():
    slow = {"attention": "whole padded prompts (its attention has no place for another one)"}
    found = [replace(each, environment=slow) for each in study(shots=(16,), seeds=2)]
    for text in everywhere(found):
        assert f"tiny: {slow['attention']}; seconds, memory and what pays after are those of this slow path" in text
        assert "slow path" in text.partition("Pays after")[0].partition("pays after")[2]
    packed = [replace(each, environment={"attention": "packed, prefixes shared"}) for each in found]
    assert all("slow path" not in text for text in everywhere(packed))
    assert json.loads(FORMATS["json"](found))["rows"][0]["slow_path"] == slow["attention"]


def busy(each, cores):
    return replace(each, adapt=replace(each.adapt, cpu_seconds=1.5, others_cores=cores, load_average=3.0))


def test_a_busy_machine_is_said_beside_the_table():
    found = [busy(each, 1.37 if each.run.method == "pbft" else 0.1) for each in study(shots=(16,)) if each.adapt]
    line = "busy machine: other processes kept up to 1.4 cores busy while 1 of 6 rows were measured"
    assert all(line in text for text in everywhere(found))
    row = next(row for row in rows_of(found) if row.method == "pbft").as_json()
    assert (row["adapt_cpu_seconds"], row["others_cores"]) == (1.5, 1.37)
    quiet = [busy(each, 0.4) for each in study(shots=(16,)) if each.adapt]
    assert all("busy machine" not in text for text in everywhere(quiet))


def test_on_a_terminal_a_row_is_one_line_and_nothing_is_cut():
    found = study(shots=(16,))
    lines = FORMATS["terminal"](found).splitlines()
    for row in rows_of(found):
        [line] = [line for line in lines if line.startswith(f"16    {row.method} ")]
        interval = row.accuracy["hans"]
        assert f" {interval.mean:.3f} [{interval.low:.2f}, {interval.high:.2f}] " in line
    assert "16 shots: pbft+lora is best in domain; tied with pbft" in lines
    slow = [replace(each, environment={"attention": "whole padded prompts"}) for each in found]
    text = terminal(slow, 80)
    assert all(word in text for row in rows_of(slow) for word in row.pays.split())
