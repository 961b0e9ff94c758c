"""`inweights plan`: predictions that grow with the work, nothing run, and what does not fit named with its reason."""

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
    assert "0 MB are free: " in text
    assert "(another update)" in text


def test_the_verb_takes_the_options_of_compare_and_runs_nothing(tmp_path, capsys):
    asked = ["--model", str(folder("opt")), "--task", "made-topic", "--methods", "icl,pbft", "--out", str(tmp_path / "s")]
    with pytest.raises(SystemExit, match="0"):
        main(["plan", *asked])
    assert "nothing was run" in capsys.readouterr().out
    assert not (tmp_path / "s").exists()
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "--dry-run"])
