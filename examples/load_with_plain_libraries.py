"""Score with an exported LoRA, without inweights: python examples/load_with_plain_libraries.py OUT

OUT is what `inweights best DIR --export OUT` wrote of a method such as pbft+lora or distill+bitfit.
"""

import json
import sys
from pathlib import Path

import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

folder = Path(sys.argv[1])
said = json.loads((folder / "inweights.json").read_text())
model = AutoPeftModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
# Control tokens in the data are read as characters.
tokenizer = AutoTokenizer.from_pretrained(said["base"]["place"], split_special_tokens=True)


@torch.inference_mode()
def log_probability(text: str, word: str) -> float:
    front, whole = (tokenizer(each, return_tensors="pt").input_ids for each in (text, f"{text} {word}"))
    log_probs = model(whole).logits[0].log_softmax(-1)
    return sum(log_probs[i - 1, whole[0, i]].item() for i in range(front.shape[1], whole.shape[1]))


for check in said["checks"]:
    scores = [log_probability(check["texts"][0], word) for word in said["readout"]["prompt"]["verbalizer"]]
    print([round(score, 4) for score in scores], "exported with", [round(score, 4) for score in check["scores"]])
