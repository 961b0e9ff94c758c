"""Train the embedded model: `python -m inweights.models.embedded.train --folder FOLDER`. Resumable, seeded, measured.

What is hard to learn is to look labels up in the context; once that works the rest is more of the same. So it is
formed where it is cheap, on single words next to their labels, and every next step waits until the last one is
learnt, as measured on the training sequences themselves. Whatever was learnt stays in the mix.
"""

import json
import random
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from inweights.grammar.lexicon import LABELS
from inweights.grammar.tasks import CLASSES, EASY, SINGLE
from inweights.models.embedded import WEIGHTS, episodes
from inweights.models.embedded.episodes import Level, Row
from inweights.models.embedded.tokens import BOS, EOS, IDS, PAD, save_tokenizer

SIZE = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4}
HALF_LIFE = 0.03
PAIRS = tuple(task for task in CLASSES if task not in SINGLE)


@dataclass
class Progress:
    """All that a stopped training needs to go on, beside weights and optimizer."""

    step: int = 0
    tokens: int = 0
    stage: str = "words"
    level: Level = Level()
    accuracy: dict[str, float] = field(default_factory=dict)
    """Moving mean over the training sequences, by kind."""


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("embedded-training"), help="checkpoints; resumed if there")
    parser.add_argument(
        "--minutes", type=float, default=60, help="of training; the learning rate falls to 0 in the last fifth"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--final", action="store_true", help="write the weights into the package at the end")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = train(arguments.folder, arguments.minutes, arguments.device, arguments.seed)
    if arguments.final:
        save(model, WEIGHTS)


def train(folder: Path, minutes: float, device: str, seed: int) -> LlamaForCausalLM:
    """Train for so long, from the folder's checkpoint if there is one. The text depends on the seed and step alone."""
    torch.manual_seed(seed)
    model = new_model().to(device)
    optimizers = optimizers_of(model)
    progress = restore(folder, model, optimizers)
    started, saved = time.monotonic(), time.monotonic()
    while (spent := (time.monotonic() - started) / (60 * minutes)) < 1:
        scale = min(1.0, (1 - spent) / 0.2, (progress.step + 1) / 50)
        step(model, optimizers, progress, random.Random(f"{seed} {progress.step}"), scale)
        advance(progress)
        if progress.step % 50 == 0:
            shown = " ".join(f"{kind} {value:.3f}" for kind, value in sorted(progress.accuracy.items()))
            rate = f"{60 * minutes * spent:.0f} s, {progress.tokens / 1e6:.2f}M tokens"
            print(f"step {progress.step}, {rate}, {progress.stage} {progress.level}: {shown}", flush=True)
        if time.monotonic() - saved > 120:
            checkpoint(folder, model, optimizers, progress)
            saved = time.monotonic()
    checkpoint(folder, model, optimizers, progress)
    return model


def new_model() -> LlamaForCausalLM:
    """Llama's layout, with the biases it allows so that BitFit has something to train. Embeddings apart from the head
    and wide at the start, without which the plateau is not left."""
    config = LlamaConfig(
        vocab_size=len(IDS), max_position_embeddings=2048, initializer_range=0.05, tie_word_embeddings=False,
        attention_bias=True, mlp_bias=True, bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD, **SIZE,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    nn.init.normal_(model.model.embed_tokens.weight, std=0.3)
    return model


def optimizers_of(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, head and norms: half the tokens AdamW alone needs here."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "layers" in name]
    others = [p for name, p in model.named_parameters() if not (p.dim() == 2 and "layers" in name)]
    muon = torch.optim.Muon(matrices, lr=0.006, weight_decay=0.0)
    return [muon, torch.optim.AdamW(others, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0)]


def step(
    model: LlamaForCausalLM,
    optimizers: list[torch.optim.Optimizer],
    progress: Progress,
    rng: random.Random,
    scale: float,
) -> None:
    """One step on a batch of every kind that the stage has reached; each kind's mean loss counts alike."""
    rates = (0.006, 2e-3)
    for optimizer, rate in zip(optimizers, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate * scale
        optimizer.zero_grad(set_to_none=True)
    for kind, weight, rows in mix(progress, rng):
        ids, asked = (torch.from_numpy(each).to(model.device) for each in episodes.batch(rows))
        progress.tokens += ids.numel()
        hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[asked[:, 1:]])
        wanted = ids[:, 1:][asked[:, 1:]]
        loss: Tensor = weight * F.cross_entropy(logits, wanted)
        loss.backward()
        right = (logits.argmax(-1) == wanted).float().mean().item()
        old = progress.accuracy.get(kind, 0.0)
        progress.accuracy[kind] = old + HALF_LIFE * (right - old)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    progress.step += 1


def mix(progress: Progress, rng: random.Random) -> list[tuple[str, float, list[Row]]]:
    """Kind, weight and rows of each batch of a step."""
    level, stage = progress.level, progress.stage

    def rows(count: int, make: Callable[[], Row]) -> list[Row]:
        return [make() for _ in range(count)]

    single, pair = rng.choice(SINGLE), rng.choice(PAIRS)
    if stage == "words":
        return [
            ("words", 1.0, rows(40, lambda: episodes.words(rng, level))),
            ("recall", 0.5, rows(12, lambda: episodes.recall(rng, level))),
            (f"canonical {single}", 0.3, rows(10, lambda: episodes.canonical(rng, single))),
            (f"canonical {pair}", 0.3, rows(6, lambda: episodes.canonical(rng, pair))),
        ]
    if stage == "gaps":
        return [
            ("gaps", 1.0, rows(16, lambda: episodes.gaps(rng, level))),
            ("words", 0.3, rows(5, lambda: episodes.words(rng, level))),
            (f"canonical {single}", 0.3, rows(4, lambda: episodes.canonical(rng, single))),
        ]
    first, second = rng.sample(EASY, 2)
    hard = rng.choice(("acceptability", *PAIRS))
    # Documents grow with what is found in them, from a handful of facts to twenty.
    facts = min(20, 3 + int(40 * max(0.0, progress.accuracy.get("document", 0) - 0.6)))
    found = [
        ("words", 0.2, rows(6, lambda: episodes.words(rng, level))),
        ("gaps", 0.3, rows(4, lambda: episodes.gaps(rng, level))),
        ("recall", 0.2, rows(4, lambda: episodes.recall(rng, level))),
        (f"task {first}", 1.0, rows(8, lambda: episodes.episode(rng, first, level))),
        (f"task {second}", 1.0, rows(8, lambda: episodes.episode(rng, second, level))),
        ("document", 0.5, rows(3, lambda: episodes.document(rng, facts))),
    ]
    # A task is looked up by its features, so they have to be there: without this, topic stayed at chance.
    found += [(f"canonical {task}", 0.5, rows(10, partial(episodes.canonical, rng, task))) for task in EASY]
    if stage == "pairs":
        found += [
            (f"task {hard}", 1.0, rows(6, lambda: episodes.episode(rng, hard, level))),
            (f"canonical {hard}", 1.0, rows(16, lambda: episodes.canonical(rng, hard))),
            ("text", 0.05, rows(1, lambda: episodes.text(rng))),
        ]
    return found


def advance(progress: Progress) -> None:
    """The next stage or level, where this one is learnt. 0.82 is near what 16 shots allow: the first of a class are
    guesses."""
    level, seen = progress.level, progress.accuracy
    if progress.stage == "words" and seen.get("words", 0) > 0.82:
        seen["words"] = 0.6
        if level.labels < len(LABELS):
            progress.level = replace(level, labels=min(len(LABELS), 6 * level.labels))
        elif level.form < 2:
            progress.level = replace(level, form=level.form + 1)
        elif level.words < 24:
            progress.level = replace(level, words=24)
        else:
            progress.stage = "gaps"
    if progress.stage == "gaps" and seen.get("gaps", 0) > 0.78:
        seen["gaps"] = 0.6
        if level.gap < 7:
            progress.level = replace(level, gap=level.gap + 1, variety=min(1.0, level.variety + 0.15))
        else:
            progress.stage = "sentences"
    easy = [seen.get(f"task {task}", 0) for task in EASY]
    if progress.stage == "sentences" and sum(easy) / len(easy) > 0.7:
        progress.stage = "pairs"


def checkpoint(folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{k}": v for k, v in state.items() if isinstance(v, Tensor)}
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "new.safetensors")
    (folder / "progress.json").write_text(json.dumps(asdict(progress)))
    (folder / "new.safetensors").replace(folder / "state.safetensors")


def restore(folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> Progress:
    if not (folder / "state.safetensors").exists():
        return Progress()
    tensors = load_file(folder / "state.safetensors")
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimizer.{number}."):
                index, key = name.split(".")[2:]
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    values = json.loads((folder / "progress.json").read_text())
    return Progress(**{**values, "level": Level(**values["level"])})


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """The model folder: bf16 weights would round more than they save here, fp16 holds them to 3 digits."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to("cpu", torch.float16).save_pretrained(folder)
    save_tokenizer(folder)


if __name__ == "__main__":
    main()
