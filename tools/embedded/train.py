"""Train the embedded model: `python -m tools.embedded.train --folder FOLDER`. Resumable, seeded, measured.

Each kind of text is drawn by how much of it is still to be learnt, as measured on the training sequences themselves:
one labelled example at a time first, more in a row as they are learnt, labels drawn anew for tasks whose features are
there, documents from two facts up.
"""

import json
import random
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from inweights.models.embedded import WEIGHTS
from tools.embedded import episodes
from tools.embedded.checkpoints import Progress, checkpoint, restore
from tools.embedded.circuit import put_in
from tools.embedded.tokens import BOS, EOS, IDS, PAD, save_tokenizer

SIZE = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 5, "num_attention_heads": 4}
ROPE = {"rope_type": "default", "rope_theta": 1e6}
"""Half of the frequencies hardly turn within a context: looking for content needs those."""
RATES = (0.005, 2e-3)
"""Of Muon and of AdamW."""
STEPS, DECAY = 5000, 0.25
"""Over the last share of the steps the learning rate falls to 0."""
BATCHES = 4
"""In a step, each of one kind of text."""


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("embedded-training"), help="of checkpoints, resumed from")
    parser.add_argument("--steps", type=int, default=STEPS, help="total number, with those before a resumption")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help=f"where the trained model goes, such as {WEIGHTS}")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = train(arguments.folder, arguments.steps, arguments.device, arguments.seed)
    if arguments.write:
        from tools.embedded.evaluate import evaluate

        save(model, arguments.write)
        print(json.dumps(evaluate(arguments.write), indent=1))


def train(folder: Path, steps: int, device: str, seed: int) -> LlamaForCausalLM:
    """Train for so many steps, from the folder's checkpoint if there is one: stopped or not, the weights are the same."""
    torch.manual_seed(seed)
    model = new_model().to(device)
    optimizers = optimizers_of(model)
    progress = restore(folder, model, optimizers)
    before, started, saved = progress.seconds, time.monotonic(), time.monotonic()
    while progress.step < steps:
        scale = min(1.0, (1 - progress.step / steps) / DECAY, (progress.step + 1) / 50)
        step(model, optimizers, progress, random.Random(f"{seed} {progress.step}"), scale)
        progress.seconds = before + time.monotonic() - started
        if progress.step % 100 == 0:
            print(progress, flush=True)
        if time.monotonic() - saved > 120:
            checkpoint(folder, model, optimizers, progress)
            saved = time.monotonic()
    checkpoint(folder, model, optimizers, progress)
    return model


def new_model() -> LlamaForCausalLM:
    """Llama's layout, with the biases it allows so that BitFit has something to train. Embeddings apart from the head
    and wide at the start, without which nothing is looked up."""
    config = LlamaConfig(
        vocab_size=len(IDS), max_position_embeddings=2048, initializer_range=0.05, tie_word_embeddings=False,
        attention_bias=True, mlp_bias=True, bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD,
        rope_parameters=ROPE, **SIZE,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    nn.init.normal_(model.model.embed_tokens.weight, std=0.3)
    put_in(model)
    return model


def optimizers_of(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, head, biases and norms: half the tokens AdamW alone needs."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "layers" in name]
    others = [p for name, p in model.named_parameters() if not (p.dim() == 2 and "layers" in name)]
    muon = torch.optim.Muon(matrices, lr=RATES[0], weight_decay=0.0)
    return [muon, torch.optim.AdamW(others, lr=RATES[1], betas=(0.9, 0.98), weight_decay=0.0)]


def step(
    model: LlamaForCausalLM,
    optimizers: list[torch.optim.Optimizer],
    progress: Progress,
    rng: random.Random,
    scale: float,
) -> None:
    """One step on a few batches, each of one kind."""
    for optimizer, rate in zip(optimizers, RATES, strict=True):
        optimizer.param_groups[0]["lr"] = rate * scale
        optimizer.zero_grad(set_to_none=True)
    for kind in rng.choices(*zip(*progress.needs().items(), strict=True), k=BATCHES):
        ids, asked = (
            torch.from_numpy(each).to(model.device) for each in episodes.batch(episodes.rows_of(kind, progress, rng))
        )
        progress.tokens += ids.numel()
        # What an example is has to be there where the labels take it in, not only behind that.
        with blocks(model, SIZE["num_hidden_layers"] - 2 if kind.startswith("canonical") else None):
            hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[asked[:, 1:]])
        wanted = ids[:, 1:][asked[:, 1:]]
        loss: Tensor = (0.2 if kind == "text" else 1.0) * F.cross_entropy(logits, wanted)
        loss.backward()
        progress.note(kind, (logits.argmax(-1) == wanted).float().mean().item())
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    progress.step += 1


@contextmanager
def blocks(model: LlamaForCausalLM, first: int | None) -> Iterator[None]:
    """Only so many of the blocks run."""
    whole = model.config.num_hidden_layers
    model.config.num_hidden_layers = first or whole
    try:
        yield
    finally:
        model.config.num_hidden_layers = whole


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """The model folder: bf16 weights would round more than they save here, fp16 holds them to 3 digits."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to("cpu", torch.float16).save_pretrained(folder)
    save_tokenizer(folder)


if __name__ == "__main__":
    main()
