"""`inweights plan`: predictions that grow with the work, nothing run, and what does not fit named with its reason."""

from dataclasses import replace

import pytest

from inweights.cli import main
from inweights.study import forecast as forecast_module
from inweights.study.api import study_of
from inweights.study.forecast import as_text, forecast
from inweights.study.grid import tasks_of
from inweights.study.spec import spec_of
from inweights.study.study import Study
from tests.tiny import folder, tiny

GRID = {"task": ["made-topic"], "shots": [16], "seeds": 1, "limit": 50, "steps": 10}


def study(tmp_path, methods: list[str], **more) -> Study:
    spec = spec_of({**GRID, "model": [str(folder("opt"))], "methods": methods, **more})
    return study_of(spec, tasks_of(spec)[0], tmp_path / "study")


def predicted(tmp_path, method: str, **more):
    [each] = forecast(study(tmp_path, [method], **more))
    return each.estimate


@pytest.mark.parametrize(
    "method",
    "icl icl+ensemble vanilla vanilla+adapter pbft+lora pbft+prefix pbft+prompt adaptive distill+lora".split(),
)
def test_twice_the_queries_take_longer_and_every_number_is_above_zero(method, tmp_path):
    few, many = predicted(tmp_path, method), predicted(tmp_path, method, limit=200)
    assert 0 < few.seconds < many.seconds
    assert few.peak_bytes > 0
    assert sum(size for _, size in few.parts) == pytest.approx(few.peak_bytes)


def test_training_takes_longer_with_its_steps_and_with_tuning(tmp_path):
    once = predicted(tmp_path, "pbft")
    assert predicted(tmp_path, "pbft", steps=20).seconds > once.seconds
    assert predicted(tmp_path, "pbft", tune="kfold").seconds > 3 * once.seconds


def test_what_trains_takes_its_copies_gradients_and_two_moments(tmp_path):
    parts = dict(predicted(tmp_path, "pbft", limit=1).parts)
    numbers = sum(p.numel() for p in tiny("opt").module.parameters())
    assert parts["what trains, its gradients and the optimizer's state (another update)"] == 16 * numbers


def test_a_longer_prompt_and_a_wider_adapter_take_longer_and_more_memory(tmp_path):
    for name, setting in (("pbft+prompt", "tokens"), ("pbft+adapter", "size")):
        few, many = (
            predicted(tmp_path / value, name, limit=1, set={f"{name}.update.{setting}": value}) for value in ("8", "512")
        )
        assert few.seconds < many.seconds
        assert few.peak_bytes < many.peak_bytes


def test_blocks_run_again_take_longer_and_keep_less(tmp_path):
    plain, again = (predicted(tmp_path, "pbft", limit=1, checkpointing=on) for on in (False, True))
    assert again.seconds > plain.seconds
    assert again.peak_bytes < plain.peak_bytes


def test_what_does_not_fit_is_named_with_what_takes_most(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast_module, "free_bytes", lambda: 1000)
    text = as_text(forecast(study(tmp_path, ["pbft", "icl"], limit=1)))
    assert f"\npbft on {folder('opt')} needs " in text
    assert f"\nicl on {folder('opt')} needs " in text
    assert " and 1.00 kB are free: " in text
    assert "(another update)" in text


def test_the_verb_takes_the_options_of_compare_and_runs_nothing(tmp_path, capsys):
    asked = ["--model", str(folder("opt")), "--task", "made-topic", "--methods", "icl,pbft", "--out", str(tmp_path / "s")]
    with pytest.raises(SystemExit, match="0"):
        main(["plan", *asked])
    assert "nothing was run" in capsys.readouterr().out
    assert not (tmp_path / "s").exists()
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "--dry-run"])


def test_memory_of_scoring_is_worked_out_by_hand(tmp_path, monkeypatch):
    """OPT of width 32 and two blocks: 120 bytes a token and unit of width for a pass over one set; demonstrations keep
    keys and values of 32 numbers each in two blocks, in fp32; words of several tokens take 8 bytes for each query and
    word of the vocabulary, those of one token no logits but their own."""
    from inweights.models.skeleton import skeleton
    from inweights.study import estimate as module
    from inweights.study.draw import draw

    [run] = study(tmp_path, ["icl"], limit=8).settings
    sets = [split.load() for split in run.task.evaluation.values()]
    encode = skeleton(run.run.model).encode
    lengths = encode([run.prompt.body(each) for found in sets for each in found[:16]])
    asked = sum(map(len, lengths)) / len(lengths) + 1
    shown = sum(len(ids) + 1 for ids in encode([run.prompt.body(each) for each in draw(run.task, 16, 0).labelled]))
    for single, logits in ((True, 0), (False, 8 * 8 * tiny("opt").module.config.vocab_size)):
        monkeypatch.setattr(module, "_single_tokens", lambda setting, single=single: single)
        parts = dict(predicted(tmp_path, "icl", limit=8).parts)
        assert parts["a pass over the queries (--batch-tokens)"] == pytest.approx(8 * asked * 120 * 32 + logits)
        assert parts["demonstrations"] == pytest.approx(shown * 2 * 2 * 32 * 4)


def test_words_of_one_token_are_known_from_the_tokenizer(tmp_path):
    from inweights.study import estimate as module

    [run] = study(tmp_path, ["icl"]).settings
    for words, single in ((("judge", "doctor"), True), (("judge", "king"), False)):
        assert module._single_tokens(replace(run, prompt=replace(run.prompt, verbalizer=words, labels=words))) == single


def test_grouped_heads_keep_fewer_keys_and_values():
    from inweights.study.cost_model import shape_of

    config = tiny("llama").module.config
    shape = shape_of(str(folder("llama")))
    assert shape.key_width == config.num_key_value_heads * config.hidden_size // config.num_attention_heads


@pytest.mark.parametrize(("method", "inputs"), [("icl+batch", 64), ("icl+contextual", 3)])
def test_calibration_is_forecast_as_the_inputs_that_it_scores_after_the_demonstrations(
    tmp_path, monkeypatch, method, inputs
):
    """On a machine that does one operation a second and copies at no cost, time is a count of operations."""
    from inweights.study import cost_model, estimate

    monkeypatch.setattr(cost_model, "matrix_rate", lambda width, tokens: 1.0)
    read = []
    plain = estimate._reading
    monkeypatch.setattr(estimate, "_reading", lambda *a: read.append(a[1:]) or plain(*a))
    calibrated = predicted(tmp_path, method)
    assert [each[0] for each in read[-1:]] == [inputs]
    assert [each[2] for each in read] == [read[0][2]] * len(read)
    assert calibrated.seconds > predicted(tmp_path, "icl").seconds
