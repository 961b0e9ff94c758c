"""An export's folder: whole or not there, what it says of itself, and one clear line for each way it can be broken."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from inweights.exports import About, load
from inweights.exports.export import write
from inweights.exports.staging import staged
from inweights.types import Cost, Record, Run, UserError, Weights
from tests.exports import CHECKS, head, in_context, words
from tests.sample_records import answered
from tests.tiny import folder, tiny

COST = Cost(1.5, 100, 2**20, 2**21, "VmHWM")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("made")
    write(words(tiny("opt"), "lora"), place, CHECKS, About("pbft+lora", {"update.rank": 8}))
    return place


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(made, tmp_path / "out"))


def test_it_predicts_labels_and_probabilities_that_sum_to_one(out: Path) -> None:
    [answer, again] = load(out).predict(["the doctor paid", {"text": "the doctor paid"}])
    assert answer == again
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.probabilities[answer.label] == max(answer.probabilities.values())
    assert list(answer.probabilities) == ["pos", "neg"]


def test_it_loads_where_the_base_model_was_moved_to(out: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder("opt"), tmp_path / "moved")
    before = load(out).readout(CHECKS)
    said = json.loads((out / "inweights.json").read_text())
    said["base"]["name"] = "/nowhere"
    (out / "inweights.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=r"the base model of .*out is not where it was: give --model .*/nowhere"):
        load(out)
    assert load(out, str(moved)).readout(CHECKS).equal(before)


def test_the_same_weights_in_other_files_are_the_same_base(out: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    sharded = tmp_path / "sharded"
    AutoModelForCausalLM.from_pretrained(folder("opt")).save_pretrained(sharded, max_shard_size="20KB")
    AutoTokenizer.from_pretrained(folder("opt")).save_pretrained(sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 1
    assert load(out, str(sharded)).readout(CHECKS).equal(load(out).readout(CHECKS))


def test_another_base_model_is_refused_with_both_digests(out: Path) -> None:
    given = json.loads((out / "inweights.json").read_text())["base"]["digest"]
    with pytest.raises(UserError, match=rf"fitted on .* with the weights {given}, and .* has [0-9a-f]{{16}}: .*--model"):
        load(out, str(folder("opt-350m")))


def test_another_tokenizer_is_refused(out: Path, tmp_path: Path) -> None:
    mixed = shutil.copytree(folder("opt"), tmp_path / "mixed")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder("llama") / name, mixed / name)
    with pytest.raises(UserError, match=r"the tokenizer of .*mixed gives other tokens"):
        load(out, str(mixed))


def test_a_whole_model_takes_no_base_model(tmp_path: Path) -> None:
    write(words(tiny("opt"), "full"), tmp_path, CHECKS, About())
    with pytest.raises(UserError, match="holds its own weights: leave --model out"):
        load(tmp_path, str(folder("opt")))


def test_a_folder_that_is_not_there_or_no_hand_out_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no exported folder .*nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"is not an export: it has no inweights\.json"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "checks": [{}]}', '{"form": "adapter'])
def test_a_broken_description_is_one_line_with_its_path(out: Path, text: str) -> None:
    (out / "inweights.json").write_text(text)
    with pytest.raises(UserError, match=r"out/inweights\.json cannot be read \(.*\): export it again") as caught:
        load(out)
    assert "\n" not in str(caught.value)


def test_a_later_format_asks_for_an_update(out: Path) -> None:
    said = json.loads((out / "inweights.json").read_text())
    (out / "inweights.json").write_text(json.dumps({**said, "format": 99}))
    with pytest.raises(UserError, match="of format 99, this inweights reads 2"):
        load(out)


def test_an_unknown_update_asks_for_an_update_of_inweights(out: Path) -> None:
    said = json.loads((out / "inweights.json").read_text())
    (out / "inweights.json").write_text(json.dumps({**said, "update": {**said["update"], "name": "later"}}))
    with pytest.raises(UserError, match="does not know the update"):
        load(out)


def test_a_missing_file_is_named(out: Path) -> None:
    (out / "adapter_model.safetensors").unlink()
    with pytest.raises(UserError, match=r"out is not whole: adapter_model\.safetensors is missing"):
        load(out)


@pytest.mark.parametrize("broken", [b"", b"garbage", None])
def test_a_corrupted_file_is_named(out: Path, broken: bytes | None) -> None:
    path = out / "adapter_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if broken is None else broken)
    with pytest.raises(UserError, match=r"adapter_model\.safetensors is not the exported file"):
        load(out)


def test_the_model_card_may_be_edited(out: Path) -> None:
    (out / "README.md").write_text("mine")
    load(out)


def test_fields_that_the_pattern_does_not_have_are_refused(out: Path) -> None:
    with pytest.raises(UserError, match="the field 'text' is missing; the pattern asks for text"):
        load(out).predict([{"txt": "a"}])
    with pytest.raises(UserError, match="the field 'text' is empty"):
        load(out).predict(["  "])


def test_a_folder_in_use_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with (
        pytest.raises(UserError, match="out is there already and not empty; give another folder"),
        staged(tmp_path / "out"),
    ):
        pass
    assert (tmp_path / "out" / "mine").read_text() == "x"


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    def half() -> None:
        with staged(tmp_path / "out") as filling:
            (filling / "half").write_text("x")
            assert not (tmp_path / "out").exists()
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert list(tmp_path.iterdir()) == []
    with staged(tmp_path / "out") as filling:
        (filling / "whole").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"cannot write .*out: No space left on device; nothing of it"),
        staged(tmp_path / "out"),
    ):
        Path("/dev/full").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_the_files_can_be_read_by_others(out: Path, tmp_path: Path) -> None:
    with staged(tmp_path / "again") as filling:
        (filling / "weights").touch(mode=0o600)
    assert (tmp_path / "again" / "weights").stat().st_mode & 0o044 == 0o044


def test_the_model_card_tells_results_in_and_out_of_domain_cost_settings_and_limits(tmp_path: Path) -> None:
    run = Run(Weights("opt"), "reviews", "pbft+lora", 16, 3)
    test, far = answered((0, 1), (0, 1), "ab"), answered((0, 1, 1, 1), (0, 0, 0, 1), "ab", "out-of-domain")
    outcomes = {"test": test, "far": far}
    record = Record(run, "ok", outcomes=outcomes, load=COST, adapt=COST, predict=COST, queries=6, indices=(4, 2))
    write(words(tiny("gpt2"), "bitfit"), tmp_path, CHECKS, About("pbft+bitfit", {"schedule.lr": 0.001}, record, (record,)))
    card = (tmp_path / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "peft"
    assert [each["metrics"][0]["value"] for each in front["model-index"][0]["results"]] == [1.0, 0.5]
    for line in (
        "| test | in-domain | 2 | 1.000 | 1.000 | 0.500 |",
        "| far | out-of-domain | 4 | 0.500 | 0.500 | 0.750 |",
        "- adapt: 1.50 s, 100 tokens, 1 MiB at the peak above 2 MiB (VmHWM)",
        "- per query: 250.00 ms",
        "- schedule.lr: 0.001",
        "- training examples drawn: 4, 2",
        "- pattern: `'Review: {text} Sentiment:'`",
        "servers that load only plain LoRA",
    ):
        assert line in card


def test_the_model_card_of_a_hand_out_without_a_study_says_that_nothing_was_measured(out: Path) -> None:
    assert "Not measured" in (out / "README.md").read_text()


def test_encoders_and_prompt_packs_say_so_in_their_card(tmp_path: Path) -> None:
    for name, fitted in (("a", head(tiny("bert"), "lora")), ("b", in_context(tiny("opt")))):
        (tmp_path / name).mkdir()
        write(fitted, tmp_path / name, CHECKS, About())
    assert "a classification head" in (tmp_path / "a" / "README.md").read_text()
    assert "demonstrations in the prompt: 2" in (tmp_path / "b" / "README.md").read_text()


def test_a_hand_out_needs_something_to_be_checked_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs at least one example to be verified on"):
        write(in_context(tiny("opt")), tmp_path, [], About())
