"""What is exported gives the same scores everywhere: by inweights, by transformers and PEFT alone, merged."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inweights.exports import About, RejectedError, export, load, verify
from inweights.exports.export import write
from inweights.exports.reference_loader import plain_scores
from inweights.methods import Fitted
from inweights.models.base import Backbone
from tests.exports import CHECKS, ensemble, head, in_context, words
from tests.tiny import folder, tiny

Make = Callable[[Backbone], Fitted]
KINDS: dict[str, Make] = {
    "words+full": lambda model: words(model, "full"),
    "words+lora": lambda model: words(model, "lora"),
    "words+bitfit": lambda model: words(model, "bitfit"),
    "words+ia3": lambda model: words(model, "ia3"),
    "words+prefix": lambda model: words(model, "prefix"),
    "words+prompt": lambda model: words(model, "prompt"),
    "words+adapter": lambda model: words(model, "adapter"),
    "words+last-blocks": lambda model: words(model, "last-blocks"),
    "head+full": lambda model: head(model, "full"),
    "head+lora": lambda model: head(model, "lora"),
    "head+bitfit": lambda model: head(model, "bitfit"),
    "head+adapter": lambda model: head(model, "adapter"),
    "head+frozen": lambda model: head(model, "frozen"),
    "mean+frozen": lambda model: head(model, "frozen", "mean", bias=True),
    "head+last-blocks": lambda model: head(model, "last-blocks"),
    "mean+last-blocks": lambda model: head(model, "last-blocks", "mean"),
    "mean+full": lambda model: head(model, "full", "mean", bias=True),
    "mean+lora": lambda model: head(model, "lora", "mean", bias=True),
    "mean+bitfit": lambda model: head(model, "bitfit", "mean", bias=True),
    "mean+adapter": lambda model: head(model, "adapter", "mean", bias=True),
    "in-context": in_context,
    "ensemble": ensemble,
}
NO_BIASES = ("llama", "gemma3_text", "phi3")
CASES = [
    (architecture, kind)
    for architecture in ("opt", "opt-350m", "llama", "gpt2", "gpt_neox", "qwen2", "gemma3_text", "phi3", "bloom")
    for kind in KINDS
    if not ("bitfit" in kind and architecture in NO_BIASES)
    and not (kind in ("words+prefix", "words+prompt") and architecture == "bloom")
] + [
    (architecture, f"{reads}+{update}")
    for architecture in ("bert", "roberta", "distilbert")
    for reads in ("head", "mean")
    for update in ("full", "lora", "bitfit", "last-blocks", "frozen", "adapter")
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def handed_out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Fitted, Path]:
    architecture, kind = request.param
    fitted = KINDS[kind](tiny(architecture))
    place: Path = tmp_path_factory.mktemp("out")
    write(fitted, place, CHECKS, About())
    return architecture, fitted, place


def test_plain_libraries_give_the_scores_of_a_hand_out(handed_out: tuple[str, Fitted, Path]) -> None:
    architecture, fitted, place = handed_out
    scores = torch.tensor(plain_scores(place, str(folder(architecture))))
    torch.testing.assert_close(scores, fitted.readout(CHECKS), atol=1e-4, rtol=1e-4)


def test_a_hand_out_loaded_again_gives_the_same_scores(handed_out: tuple[str, Fitted, Path]) -> None:
    _, fitted, place = handed_out
    torch.testing.assert_close(load(place).readout(CHECKS), fitted.readout(CHECKS), atol=1e-6, rtol=1e-6)


def test_the_code_of_the_model_card_gives_the_scores_without_inweights(handed_out: tuple[str, Fitted, Path]) -> None:
    _, fitted, place = handed_out
    said = json.loads((place / "inweights.json").read_text())
    if said["readout"]["kind"] == "ensemble":
        pytest.skip("the card shows one member")
    code = re.search(r"```python\n(.*?)```", (place / "README.md").read_text(), re.DOTALL)
    assert code is not None
    names = {"folder": str(place), "text": said["checks"][0]["texts"][0]}
    with torch.no_grad():
        exec(code[1], names)
    assert "inweights" not in code[1]
    wanted = dict(zip(("pos", "neg"), fitted.readout(CHECKS[:1])[0].tolist(), strict=True))
    assert names["scores"] == pytest.approx(wanted, abs=1e-4, rel=1e-4)


@pytest.mark.parametrize("kind", ["words+full", "words+lora", "words+bitfit", "head+full", "head+lora"])
def test_a_hand_out_in_half_precision_scores_the_same_within_its_tolerance(kind: str, tmp_path: Path) -> None:
    from inweights.exports.verify import TOLERANCE, _distance
    from inweights.models import load as load_model

    fitted = KINDS[kind](load_model(str(folder("opt")), "bf16", "cpu"))
    write(fitted, tmp_path, CHECKS, About())
    wanted = fitted.readout(CHECKS).tolist()
    assert _distance(load(tmp_path).readout(CHECKS).tolist(), wanted) <= TOLERANCE["bf16"]
    assert _distance(plain_scores(tmp_path, str(folder("opt"))), wanted) <= TOLERANCE["bf16"]


@pytest.mark.parametrize(("architecture", "kept"), [("opt", False), ("gpt_neox", True)])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_classifier_keeps_an_lm_head_of_its_own_and_no_copy_of_a_tied_one(
    architecture: str, kept: bool, dtype: str, tmp_path: Path
) -> None:
    from safetensors import safe_open

    from inweights.models import load as load_model

    model = load_model(str(folder(architecture)), dtype, "cpu")
    write(head(model, "full"), tmp_path, CHECKS, About())
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = set(file.keys())
        dtypes = {file.get_tensor(name).dtype for name in names}
    assert bool(names & {"lm_head.weight", "embed_out.weight"}) == kept
    assert dtypes == {torch.float32 if dtype == "fp32" else torch.bfloat16}


def test_no_file_names_the_attention_that_only_we_have(handed_out: tuple[str, Fitted, Path]) -> None:
    for path in handed_out[2].glob("*config*.json"):
        assert "inweights" not in path.read_text()


def test_handing_out_leaves_the_backbone_as_it_was(tmp_path: Path) -> None:
    from inweights.models.digest import weights_digest

    model = tiny("opt")
    before, config = weights_digest(model.module), model.module.config.to_dict()
    write(words(model, "full"), tmp_path, CHECKS, About())
    assert (weights_digest(model.module), model.module.config.to_dict()) == (before, config)


@pytest.mark.parametrize("update", ["lora", "bitfit"])
@pytest.mark.parametrize("architecture", ["opt", "gpt2"])
def test_an_adapter_loads_by_its_folder_alone_and_merges_to_the_same_function(
    architecture: str, update: str, tmp_path: Path
) -> None:
    from peft import AutoPeftModelForCausalLM

    fitted = words(tiny(architecture), update)
    write(fitted, tmp_path, CHECKS, About())
    model = AutoPeftModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.tensor(fitted.readout.model.encode(["the doctor paid the judge"]))
    with torch.no_grad():
        apart = model(input_ids=ids).logits
        merged = model.merge_and_unload()(input_ids=ids).logits
    torch.testing.assert_close(merged, apart, atol=1e-4, rtol=1e-4)


def test_a_classifier_of_a_causal_model_loads_with_transformers_own_class_and_its_labels(tmp_path: Path) -> None:
    from transformers import pipeline

    fitted = head(tiny("llama"), "full")
    write(fitted, tmp_path, CHECKS, About())
    [answer] = pipeline("text-classification", str(tmp_path), device="cpu")("Review: it {rained} Sentiment:")
    row = fitted.readout(CHECKS[1:2]).softmax(-1)[0]
    assert answer["label"] == ("pos", "neg")[int(row.argmax())]
    assert answer["score"] == pytest.approx(float(row.max()), abs=1e-4)


def test_an_adapter_names_its_layers_as_other_loaders_expect_them(tmp_path: Path) -> None:
    write(words(tiny("llama"), "lora"), tmp_path, CHECKS, About())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    names = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
    assert (sorted(config["target_modules"]), config["peft_type"], config["bias"]) == (names, "LORA", "none")


def test_a_prompt_pack_has_the_prompt_as_text_for_any_server(tmp_path: Path) -> None:
    write(in_context(tiny("opt")), tmp_path, CHECKS, About())
    assert (tmp_path / "prompt.txt").read_text() == (
        "Review: a good cook Sentiment: great\n\nReview: a lazy {king} Sentiment: terrible\n\nReview: {text} Sentiment:"
    )
    pack = json.loads((tmp_path / "prompt_pack.json").read_text())
    assert pack["prompt"]["verbalizer"] == ["great", "terrible"]
    assert pack["offsets"] == [-0.5, -1.5]


def test_export_proves_the_folder_in_a_fresh_process(tmp_path: Path) -> None:
    proof = export(words(tiny("opt"), "lora"), tmp_path / "out", CHECKS)
    assert proof.examples == 3
    assert proof.inweights <= 1e-5
    assert proof.plain <= 1e-4
    assert "same within 0.0001" in str(proof)


def test_export_refuses_what_does_not_score_the_same_again_and_leaves_nothing(tmp_path: Path) -> None:
    # A readout of an updated backbone that forgets what was trained: the folder would be the bare prompt.
    forgetful = Fitted(words(tiny("opt"), "lora").readout)
    with pytest.raises(
        RejectedError, match=r"gives other scores when loaded again by inweights: they differ by \d.*the tolerance is"
    ):
        export(forgetful, tmp_path / "out", CHECKS)
    assert list(tmp_path.iterdir()) == []


def test_verify_says_what_stopped_the_fresh_process(tmp_path: Path) -> None:
    write(in_context(tiny("opt")), tmp_path, CHECKS, About())
    with pytest.raises(RejectedError, match="does not load again: there is no model folder /nowhere"):
        verify(tmp_path, model="/nowhere")


def test_a_score_that_is_no_number_is_no_agreement() -> None:
    from inweights.exports.verify import _distance

    assert _distance([[1.0], [float("nan")]], [[1.0], [1.0]]) == float("inf")
    assert _distance([[1.0, -20.0]], [[1.0, -25.0]]) == 0.2  # per unit of the score


def test_an_update_without_a_file_format_that_adds_to_weights_is_exported_merged(tmp_path: Path) -> None:
    """A user's own update needs `deltas` alone."""
    from dataclasses import dataclass, replace

    from inweights.updates import LoRA

    @dataclass(frozen=True)
    class Own(LoRA):
        name = "own"

        def stored(self, trained, target):  # type: ignore[no-untyped-def]
            return None

    fitted = replace(words(tiny("llama"), "lora"), update=Own())
    write(fitted, tmp_path, CHECKS, About())
    assert json.loads((tmp_path / "inweights.json").read_text())["form"] == "model"
    torch.testing.assert_close(load(tmp_path).readout(CHECKS), fitted.readout(CHECKS), atol=1e-4, rtol=1e-4)
