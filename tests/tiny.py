"""Tiny random models of every architecture, with a small real tokenizer: what the tests run on."""

import atexit
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

from inweights.models import load
from inweights.models.base import Backbone

TEXT = """The judge saw the doctor near the old house. Did the doctor see the judge? yes or no, maybe.
A lazy cook sold seven red lamps to the king; nobody paid him, because money was short that year.
question: is this sentence grammatical? answer: Yes. Premise: it rained. Hypothesis: the street is wet. True or False?
great terrible good bad positive negative entailment neutral contradiction description entity location number human
"""

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512}
ARCHITECTURES: dict[str, dict[str, object]] = {
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32, "dropout": 0.0},
    # The layout of OPT-350M: norms after the blocks, embeddings narrower than the blocks.
    "opt-350m": {"ffn_dim": 64, "word_embed_proj_dim": 16, "do_layer_norm_before": False, "dropout": 0.0},
    "llama": {"intermediate_size": 64, "num_key_value_heads": 2},
    "qwen2": {"intermediate_size": 64, "num_key_value_heads": 2},
    "qwen3": {"intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "resid_pdrop": 0.0, "attn_pdrop": 0.0},
    "gpt_neox": {"intermediate_size": 64},
    "gemma": {"intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 8},
    # Soft caps on scores and logits, sliding windows shorter than the prompts.
    "gemma2": {"intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 12},
    "gemma3_text": {"intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 12},
    "mistral": {"intermediate_size": 64, "num_key_value_heads": 2, "sliding_window": 12},
    "phi3": {"intermediate_size": 64, "num_key_value_heads": 2, "pad_token_id": 0},
}
# Attention with a linear bias instead of positions: not replaceable, read by whole padded prompts.
PADDED_ONLY = {"bloom": {"n_layer": 2, "n_head": 4}}
ENCODERS = {"bert": {"intermediate_size": 64}, "roberta": {"intermediate_size": 64}, "distilbert": {}}


@cache
def folder(architecture: str) -> Path:
    """A model folder of that architecture, made once per test run."""
    place = Path(mkdtemp(prefix=f"tiny-{architecture}-"))
    atexit.register(rmtree, place, ignore_errors=True)
    options = {**ARCHITECTURES, **PADDED_ONLY, **ENCODERS}[architecture]
    encoder = architecture in ENCODERS
    like_llama = architecture not in ("opt", "opt-350m", "gpt2", "gpt_neox", "bloom")
    tokenizer = wordpiece() if encoder else metaspace() if like_llama else byte_level(bos=architecture != "gpt2")
    tokenizer.save_pretrained(place)
    sizes: dict[str, object] = dict(SIZES)
    if architecture in ("gpt2", "bloom"):
        sizes = {"hidden_size": 32} if architecture == "bloom" else {}
    if architecture == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 512}
    if architecture == "roberta":
        sizes["max_position_embeddings"] = 514
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    if tokenizer.pad_token_id is not None:
        special["pad_token_id"] = tokenizer.pad_token_id
    config = AutoConfig.for_model(
        architecture.split("-")[0], **{"vocab_size": len(tokenizer), **special, **sizes, **options}
    )
    torch.manual_seed(0)
    module = (AutoModel if encoder else AutoModelForCausalLM).from_config(config)
    for name, parameter in module.named_parameters():
        # Random weights far from the defaults, biases and norms too, so that a term left out shows.
        torch.nn.init.normal_(parameter, mean=float("norm" in name and name.endswith("weight")), std=0.15)
    module.save_pretrained(place)
    return place


def tiny(architecture: str = "llama") -> Backbone:
    """A fresh copy in memory; dropout is off in all but those tests that turn it on."""
    return load(str(folder(architecture)))


@cache
def byte_level(bos: bool) -> PreTrainedTokenizerFast:
    """Like GPT-2's, or like OPT's, which puts `</s>` in front of every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["</s>", "<pad>"] if bos else ["<|endoftext|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    )
    if not bos:
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=special[0], eos_token=special[0])
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="</s>", eos_token="</s>", pad_token="<pad>")


@cache
def metaspace() -> PreTrainedTokenizerFast:
    """Like Llama's: spaces become ▁, one `<s>` in front; its pad token is its end of text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"]))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


@cache
def wordpiece() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator([TEXT], trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
