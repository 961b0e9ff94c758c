"""Rows, formats and the choice, from records with known properties."""

import csv
import io
import json
from dataclasses import replace
from statistics import mean

import pytest

from inweights.report import FORMATS, Limits, choose, parse_bytes, parse_seconds, rows_of
from inweights.report.notes import tied_text
from inweights.report.page import headlines, page
from inweights.report.rows import as_json
from inweights.report.statistics import by_subset
from inweights.report.tables import markdown, terminal
from inweights.types import Budget, Cost, Latency, NothingFitsError, UserError, Weights
from tests.sample_records import ACCURACY, of_context, study

KEYS = {
    "task", "model", "method", "shots", "seeds", "accuracy", "adapt_seconds", "seconds_per_query", "peak_bytes",
    "trained_parameters", "artifact_bytes", "break_even_queries", "tied_with",
}  # fmt: skip


def test_json_is_one_object_with_the_rows_and_what_failed():
    found = json.loads(FORMATS["json"](study()))
    assert set(found) == {"rows", "failed"}
    assert len(found["rows"]) == 2 * len(ACCURACY)
    for row in found["rows"]:
        assert not KEYS - set(row)
        assert set(row["accuracy"]["dev"]) == {"mean", "low", "high"}
    assert [each["status"] for each in found["failed"]] == ["diverged"]


def test_a_row_is_over_its_seeds():
    row = next(row for row in rows_of(study()) if (row.method, row.shots) == ("pbft", 16))
    assert row.seeds == (0, 1, 2, 3, 4)
    assert row.accuracy["dev"].mean == pytest.approx(0.8, abs=0.05)
    assert row.majority == {"dev": 0.5, "hans": 0.5}
    # 3 s against 0.1 s to adapt, 2 ms against 10 ms a query: 2.9 / 0.008 = 362.5.
    assert row.break_even_queries == 363


def test_near_methods_tie_and_far_ones_do_not():
    rows = {row.method: row for row in rows_of(study()) if row.shots == 16}
    assert "pbft+lora" in rows["pbft"].tied_with
    assert "zero-shot" not in rows["pbft"].tied_with


@pytest.mark.parametrize("name", ["terminal", "markdown", "csv", "latex"])
def test_every_format_shows_every_method_and_the_majority(name):
    text = FORMATS[name](study())
    for method in ACCURACY:
        assert method in text
    assert "majority" in text


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](study()))))
    assert len(rows) == 4 * len(ACCURACY)
    assert all(0 <= float(row["low"]) <= float(row["mean"]) <= float(row["high"]) <= 1 for row in rows)


def test_the_best_fits_the_limits_and_says_what_it_ties_with():
    choice = choose(study())
    assert choice.row.method in ("pbft", "pbft+lora")
    assert {row.method for row in choice.tied} == {"pbft", "pbft+lora"} - {choice.row.method}
    assert choice.record.status == "ok"
    cheap = choose(study(), limits=Limits(adapt_seconds=1.0))
    assert cheap.row.method == "icl"
    assert any("adapting takes 3.0 s, over 1.0 s" in line for line in cheap.excluded)


def test_limits_that_nothing_keeps_are_said_method_by_method():
    with pytest.raises(NothingFitsError, match=r"no method keeps within the limits: .*zero-shot .*2\.00 ms per query"):
        choose(study(), limits=Limits(latency_seconds=1e-6))


def test_amounts_read_as_people_write_them():
    assert parse_bytes("8GB") == 8e9
    assert parse_bytes("512 MiB") == 512 * 2**20
    assert parse_seconds("50ms") == 0.05
    assert parse_seconds("2min") == 120
    with pytest.raises(UserError, match="'much' is not an amount: expected a number and a unit, such as 8GB or 512MB"):
        parse_bytes("much")


def test_examples_that_were_not_read_as_they_are_are_told_once_for_all_seeds():
    found = [each for each in study(shots=(16,), seeds=2) if each.run.method == "icl"]
    [name] = {name for name, o in found[0].outcomes.items() if o.domain == "in-domain"}
    found = [replace(each, notes={"fallbacks": {name: {"shortened": 2 + each.run.seed}}}) for each in found]
    line = f"rte icl 16 shots: 3 of 200 of {name} too long for the model's context window, shortened"
    assert line in markdown(found)
    assert line in terminal(found)
    assert line.replace("'", "&#39;") in page(found)
    assert as_json(found)["rows"][0]["too_long"] == {name: {"shortened": 3}}
    assert "too long" not in markdown(study(shots=(16,), seeds=2))


def test_ties_are_told_by_the_fewer_names():
    rows = [replace(row, tied_with=()) for row in rows_of(study(shots=(16,)))]
    names = [row.method for row in rows]
    assert len(names) > 4
    assert tied_text(replace(rows[0], tied_with=tuple(names[1:2])), rows) == names[1]
    assert tied_text(replace(rows[0], tied_with=tuple(names[1:])), rows) == "all others"
    assert tied_text(replace(rows[0], tied_with=tuple(names[2:])), rows) == f"all but {names[1]}"


def mixed(**changes):
    """The study's ICL and zero-shot once as they are, and ICL again with something else about the run."""
    first = [each for each in study(shots=(16,), seeds=2) if each.run.method in ("icl", "zero-shot")]
    again = [replace(each, run=replace(each.run, **changes)) for each in first if each.run.method == "icl"]
    return [*first, *again]


@pytest.mark.parametrize("changes", [{"limit": 100}, {"prompt": "other"}, {"budget": Budget(steps=3)}])
def test_runs_under_other_conditions_are_not_taken_for_more_seeds(changes):
    rows = rows_of(mixed(**changes))
    assert [len(row.seeds) for row in rows] == [2, 2, 2]
    assert len({row.name for row in rows}) == 3


def test_rows_over_different_examples_are_not_tested_against_each_other():
    found = mixed(limit=100)
    shorter = [
        replace(each, outcomes={n: cut(o, 100) for n, o in each.outcomes.items()}) if each.run.limit else each
        for each in found
    ]
    assert all(not row.tied_with for row in rows_of(shorter) if "100 of each set" in row.method)


def cut(outcome, count):
    names = ("scores", "answers", "gold", "subsets")
    return replace(outcome, **{name: getattr(outcome, name)[:count] for name in names})


def test_a_limit_on_memory_counts_the_model_too():
    cost = Cost(1.0, 1000, 10**9, 28 * 10**9, "VmHWM")
    large = [replace(each, adapt=cost, predict=cost) for each in study(shots=(16,))]
    with pytest.raises(NothingFitsError, match="MB of memory with the model"):
        choose(large, limits=Limits(memory_bytes=8e9))


def test_a_method_that_failed_on_some_seeds_does_not_win_by_the_others():
    found = study(shots=(16,))
    best = choose(found).row.method
    lucky = [each for each in found if each.run.method != best or each.run.seed == 0]
    choice = choose(lucky)
    assert choice.row.method != best
    assert any(line.startswith(best) and "1 of 5 seeds" in line for line in choice.excluded)


def test_without_an_in_domain_set_nothing_is_chosen_by_it():
    bare = [
        replace(each, outcomes={n: o for n, o in each.outcomes.items() if o.domain != "in-domain"})
        for each in study(shots=(16,))
    ]
    with pytest.raises(UserError, match="no in-domain set"):
        choose(bare)
    assert choose(bare, "ood").row.method
    assert "no in-domain set" in headlines(bare)[0]


def test_ties_are_of_the_same_model_and_of_the_sets_the_objective_is_about():
    found = study(shots=(16,))
    other = [
        replace(each, run=replace(each.run, weights=Weights("other"))) for each in found if each.run.method == "zero-shot"
    ]
    for objective in ("in-domain", "ood"):
        choice = choose([*found, *other], objective)
        assert all(row.model == choice.row.model for row in choice.tied)


def test_subsets_are_the_mean_over_seeds():
    [one, two] = [each for each in study(shots=(16,), seeds=2) if each.run.method == "icl"]
    name = next(iter(one.outcomes))
    halves = tuple("ab"[i % 2] for i in range(len(one.outcomes[name].gold)))
    found = [replace(each, outcomes={name: replace(each.outcomes[name], subsets=halves)}) for each in (one, two)]
    expected = mean(by_subset(each.outcomes[name])["a"] for each in found)
    assert rows_of(found)[0].subsets[name]["a"] == pytest.approx(expected)


def with_prompt(found, seconds=0.05, method="icl"):
    """Encoding the demonstrations takes that long, once for each of the two sets."""
    shown = {"demonstrations": 16, "demonstrations_left_out": 0}
    return [
        replace(each, prepare_seconds=seconds, prepared=2, notes=shown) if each.run.method == method else each
        for each in found
    ]


def test_a_query_costs_the_same_however_many_share_the_demonstrations():
    [one] = [each for each in with_prompt(study(shots=(16,), seeds=1)) if each.run.method == "icl"]
    # 4 s for 400 queries, .1 s of them for the demonstrations of two sets.
    assert one.seconds_per_query == pytest.approx(3.9 / 400)
    # A tenth of the queries: .39 s and again .1 s.
    few = replace(one, queries=40, predict=replace(one.predict, seconds=0.49))
    assert few.seconds_per_query == pytest.approx(3.9 / 400)


def test_adapting_pays_against_a_prompt_that_is_read_again_and_against_one_that_is_kept():
    rows = {row.method: row for row in rows_of(with_prompt(study(shots=(16,))))}
    # 3 s against .1 s to adapt, 2 ms against 9.75 ms a query and 50 ms for the demonstrations.
    assert rows["pbft"].break_even_queries == 51  # 2.9 / .05775 = 50.2
    assert rows["pbft"].break_even_kept_queries == 368  # 2.85 / .00775 = 367.7
    assert rows["pbft"].pays == "51 queries (368 if kept)"
    assert "51 queries (368 if kept)" in markdown(with_prompt(study(shots=(16,))))


def test_adapting_is_measured_against_the_best_method_that_trains_nothing():
    found = study(shots=(16,))
    calibrated = [
        replace(each, run=replace(each.run, method="icl+batch"), outcomes=better.outcomes)
        for each, better in zip(
            (each for each in found if each.run.method == "icl"),
            (each for each in found if each.run.method == "pbft"),
            strict=False,
        )
    ]
    rows = {row.method: row for row in rows_of([*found, *calibrated])}
    assert rows["pbft+lora"].rival == "icl+batch"


@pytest.mark.parametrize(("other", "reason"), [("zero-shot", "icl is below zero-shot"), (None, "icl is below the majority")])
def test_a_collapsed_prompt_is_no_rival(other, reason):
    found = study(shots=(16,))
    wrong = next(each for each in found if each.run.method == "icl")
    flipped = {n: replace(o, scores=tuple(1 - s for s in o.scores)) for n, o in wrong.outcomes.items()}
    collapsed = [
        replace(each, outcomes=flipped) if each.run.method == "icl" else each
        for each in found
        if other or each.run.method != "zero-shot"
    ]
    if other:  # a prompt no worse than the majority, and a zero-shot that is better
        collapsed = [
            replace(each, outcomes=next(r for r in found if r.run.method == "pbft").outcomes)
            if each.run.method == "zero-shot"
            else next(r for r in found if r.run.method == "icl" and r.run.seed == each.run.seed)
            if each.run.method == "icl"
            else each
            for each in collapsed
        ]
    rows = {row.method: row for row in rows_of(collapsed)}
    assert rows["pbft"].break_even_queries is None
    assert rows["pbft"].pays == f"- ({reason})"


def test_demonstrations_that_were_not_shown_stand_in_the_name_everywhere():
    cut = {"demonstrations": 2, "demonstrations_left_out": 14}
    found = [replace(each, notes=cut) if each.run.method == "icl" else each for each in study(shots=(16,))]
    for text in (markdown(found), terminal(found), page(found), FORMATS["json"](found)):
        assert "icl (2 of 16 shown)" in text


def test_a_limit_on_latency_is_one_of_a_query_by_itself():
    slow = [replace(each, latency=Latency(0.2, 0.3, 5)) for each in study(shots=(16,))]
    with pytest.raises(NothingFitsError, match=r"200\.00 ms per query over 50\.00 ms"):
        choose(slow, limits=Limits(latency_seconds=0.05))
    row = rows_of(slow)[0].as_json()
    assert (row["latency_seconds"], row["latency_p95_seconds"]) == (0.2, 0.3)


def test_a_method_that_did_not_train_is_flagged_in_its_row():
    found = [
        replace(each, losses=(0.7,) * 10) if each.run.method == "pbft" and each.run.seed < 2 else each
        for each in study(shots=(16,))
    ]
    assert "1,000 (did not train in 2/5)" in markdown(found)


def test_pattern_words_limit_and_learning_rate_stand_in_every_report():
    said = {"pattern": "{text} It was", "label_words": ["bad", "good"]}
    found = [
        replace(each, run=replace(each.run, limit=100), notes=said, settings={"schedule.lr": 0.0016})
        for each in study(shots=(16,), seeds=2)
        if each.run.method == "pbft"
    ]
    line = "rte: pattern '{text} It was', label words bad, good; 100 examples of each set; learning rate pbft 0.0016"
    assert line in markdown(found)
    other = [replace(each, run=replace(each.run, method="pbft+lora")) for each in found]
    assert "; learning rate 0.0016\n" in markdown([*found, *other])
    assert line in " ".join(terminal(found, 200).split())
    assert line.replace("'", "&#39;") in page(found)
    row = json.loads(FORMATS["json"](found))["rows"][0]
    assert (row["pattern"], row["label_words"], row["limit"], row["learning_rate"]) == (
        "{text} It was",
        ["bad", "good"],
        100,
        0.0016,
    )


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_every_format_shows_a_learned_context_without_the_commonest_gold_answer(format):
    text = FORMATS[format](of_context(30))
    assert "Accuracy" not in text
    if format in ("terminal", "markdown", "latex"):
        assert "majority" not in text
        assert "contained: mean [95 % interval" in text
        assert "ms/query: one at a time." in text


def test_too_few_questions_about_a_context_carry_no_interval_tie_or_break_even_point():
    rows = {row.method: row for row in rows_of(of_context(5))}
    assert all(not row.tied_with and not row.pays for row in rows.values())
    text = markdown(of_context(5))
    assert "| 0.600 |" in text
    assert "contained: mean over 5 questions, too few for intervals, ties and pays after. ms/query: one at a time." in text
    assert rows["pbft"].as_json()["accuracy"]["test"]["low"] is None
    [headline] = headlines(of_context(5))
    assert headline == (
        "rte: icl: contained 1.000 over 5 questions. Too few questions for intervals, ties and break-even points."
    )
    assert "pays after" in headlines(of_context(40))[0] or rows_of(of_context(40))[0].tied_with
