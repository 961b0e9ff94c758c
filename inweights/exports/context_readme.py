"""The model card of a learned context: what it is, how it loads elsewhere, what it has recovered and damaged."""

from collections.abc import Iterator
from pathlib import Path

from inweights.exports.context_card import ContextCard
from inweights.exports.model_card import llama_cpp, table, write_model_card
from inweights.learn_records import FormResult
from inweights.report.learn_summary import damage, others, shares

PEFT = """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({place!r})
model = AutoModelForCausalLM.from_pretrained({place!r}, dtype="{dtype}")
model = PeftModel.from_pretrained(model, {folder!r}).eval()

question = "..."
text = {template!r}.replace("{{question}}", question)
ids = tokenizer(text, return_tensors="pt"{special})
print(tokenizer.decode(model.generate(**ids, max_new_tokens={tokens})[0]))
```"""
VLLM = """With vLLM, then requesting the model `context`:

    vllm serve {place} --enable-lora --max-lora-rank {rank} --lora-modules context={folder}

With llama.cpp:
"""
MERGE = "Or merged into the weights: learn it again with `--as merged`."
CARTRIDGE = """A prefix of keys and values loads with PEFT alone; vLLM and llama.cpp take the LoRA (`--as lora`). It begins
the text itself, so that questions go in without a token that begins texts (`add_special_tokens=False`)."""
MERGED = "A whole model: load it with transformers, or serve it with anything that takes the folder of a model."


def write(card: ContextCard, folder: Path) -> None:
    library = "transformers" if card.forms == ("merged",) else "peft"
    metadata = {"base_model": card.base.name, "library_name": library, "tags": ["inweights", "learned-context"]}
    write_model_card(folder, metadata, "A learned context", _sections(card))


def _sections(card: ContextCard) -> Iterator[str]:
    base = card.base
    yield (
        f"{', '.join(card.sources)}, learned by {base.name} ({base.architecture}, {base.dtype}): it answers as that model "
        "would with the text in its prompt."
    )
    yield "\n".join(f"{line[:1].upper()}{line[1:]}." for line in others(card.report))
    yield f"**{card.confidential}**"
    yield from (_figures(form, card.report.forms[form]) for form in card.forms)
    for form in card.forms:
        several = len(card.forms) > 1
        yield f"## {form}" if several else ""
        yield from _loading(form, card, f"FOLDER/{form}" if several else "FOLDER")
    yield (
        '`inweights ask FOLDER "..."` answers with the passages of its sources, and refuses another base model '
        f"(weights {base.weights}), tokenizer or template; other programs do not check."
    )


def _figures(form: str, found: FormResult) -> str:
    rows = {f"{name} recovered": each for name, each in shares(found).items()}
    rows |= {"collateral damage": damage(found), "seconds to learn": f"{sum(found.seconds.values()):.0f}"}
    return table([form, ""], rows.items())


def _loading(form: str, card: ContextCard, folder: str) -> Iterator[str]:
    if form == "merged":
        yield MERGED
        return
    yield PEFT.format(
        place=card.base.place,
        folder=folder,
        dtype=card.base.torch_dtype,
        special=", add_special_tokens=False" if form == "kv" else "",
        template=card.template["alone"],
        tokens=card.template["answer_tokens"],
    )
    if form == "kv":
        yield CARTRIDGE
        return
    yield VLLM.format(place=card.base.place, folder=folder, rank=card.settings["rank"]).strip()
    yield llama_cpp(card.base, folder)
    yield MERGE
