"""The model card of a learned context: what it is, how it loads elsewhere, what it has recovered and damaged."""

from inweights.exports.context_card import ContextCard
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
```
"""
LORA = """With vLLM, then requesting the model `context`:

    vllm serve {place} --enable-lora --max-lora-rank {rank} --lora-modules context={folder}

With llama.cpp:

    python convert_lora_to_gguf.py --base {place} --outfile context.gguf {folder}
    llama-server -m {gguf} --lora context.gguf

Or merged into the weights: learn it again with `--as merged`.
"""
CARTRIDGE = """A prefix of keys and values loads with PEFT alone; vLLM and llama.cpp take the LoRA (`--as lora`). It begins
the text itself, so that questions go in without a token that begins texts (`add_special_tokens=False`).
"""
MERGED = "A whole model: load it with transformers, or serve it with anything that takes the folder of a model.\n"


def readme(card: ContextCard) -> str:
    base = card.base
    parts = [
        "---",
        f"base_model: {base.name}",
        "library_name: peft" if card.forms != ("merged",) else "library_name: transformers",
        "tags: [inweights, learned-context]",
        "---",
        "",
        "# A learned context",
        "",
        f"{', '.join(card.sources)}, learned by {base.name} ({base.architecture}, {base.dtype}): it answers as that model "
        "would with the text in its prompt.",
        *(f"{line[:1].upper()}{line[1:]}." for line in others(card.report)),
        "",
        f"**{card.confidential}**",
        "",
    ]
    for form in card.forms:
        parts += [*_figures(form, card.report.forms[form]), ""]
    for form in card.forms:
        folder = "FOLDER" if len(card.forms) == 1 else f"FOLDER/{form}"
        parts += [*([f"## {form}", ""] if len(card.forms) > 1 else []), _loading(form, card, folder), ""]
    parts += [
        '`inweights ask FOLDER "..."` answers with the passages of its sources, and refuses another base model '
        f"(weights {base.weights}), tokenizer or template; other programs do not check.",
        "",
    ]
    return "\n".join(parts)


def _figures(form: str, found: FormResult) -> list[str]:
    rows = {f"{name} recovered": each for name, each in shares(found).items()}
    rows |= {"collateral damage": damage(found), "seconds to learn": f"{sum(found.seconds.values()):.0f}"}
    return [f"| {form} | |", "|---|---|", *(f"| {name} | {each} |" for name, each in rows.items())]


def _loading(form: str, card: ContextCard, folder: str) -> str:
    place = card.base.place
    if form == "merged":
        return MERGED
    special = ", add_special_tokens=False" if form == "kv" else ""
    gguf = card.base.name if card.base.name.endswith(".gguf") else "BASE.gguf"
    values = {"place": place, "folder": folder, "dtype": card.base.torch_dtype, "special": special, "gguf": gguf}
    code = PEFT.format(**values, template=card.template["alone"], tokens=card.template["answer_tokens"])
    after = LORA.format(**values, rank=card.settings["rank"]) if form == "lora" else CARTRIDGE
    return f"{code}\n{after}"
