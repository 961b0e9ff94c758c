"""lm-eval's accuracy on RTE equals ours on the same prompts and model.

    python benchmarks/lm_eval_agreement.py --data DIR --model FOLDER [--limit 100] [--shown 2]

DIR holds rte/train.jsonl and rte/dev.jsonl. Both programs get the same texts, zero-shot and behind demonstrations, of
the first examples that fit the model's context window: lm-eval would cut longer ones at the left, inweights refuses
them. Writes benchmarks/results/lm_eval_agreement.json and fails where a prediction or an accuracy differs.

lm-eval brings many packages: give it an environment of its own, `pip install lm-eval -c constraints.txt`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from inweights.models import load
from inweights.models.base import Backbone
from inweights.scoring import label_scores
from inweights.tasks import task
from inweights.types import Example, Prompt

RESULT = Path(__file__).parent / "results" / "lm_eval_agreement.json"


def main() -> None:
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        sys.exit("lm-eval is not installed here: pip install lm-eval -c constraints.txt, best in an environment of its own")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--shown", type=int, default=2)
    options = parser.parse_args()
    rte, model = task("rte", options.data), load(options.model)
    train, dev = rte.splits["train"].load(), rte.splits["dev"].load()
    # Short ones, so that something is left of a small window.
    shown = sorted(train, key=lambda each: sum(map(len, each.fields.values())))[: options.shown]
    rows = []
    for prompt in rte.prompts:
        for context in ("", prompt.context(shown)):
            examples = fitting(model, prompt, context, dev)[: options.limit]
            rows.append(compared(options.model, model, prompt, context, examples, bool(context) * len(shown)))
            print(json.dumps(rows[-1]))
    result = {
        "model": model.card.architecture,
        "parameters": model.card.parameters,
        "versions": {each: version(each) for each in ("lm_eval", "torch", "transformers")},
        "rows": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    if any(row["predictions_that_differ"] or row["accuracy"] != row["lm_eval_accuracy"] for row in rows):
        sys.exit("lm-eval and inweights do not agree")


def fitting(model: Backbone, prompt: Prompt, context: str, examples: Sequence[Example]) -> list[Example]:
    longest = max(prompt.verbalizer, key=len)
    lengths = map(len, model.encode([f"{context}{prompt.body(example)} {longest}" for example in examples]))
    return [example for example, length in zip(examples, lengths, strict=True) if length < model.card.max_tokens]


@torch.no_grad()
def compared(
    folder: str, model: Backbone, prompt: Prompt, context: str, examples: Sequence[Example], shown: int
) -> dict[str, object]:
    ours = label_scores(model, prompt, examples, context)
    theirs, accuracy = lm_eval_scores(folder, prompt, context, examples)
    gold = torch.tensor([example.label for example in examples])
    return {
        "pattern": prompt.name,
        "demonstrations": shown,
        "examples": len(examples),
        "accuracy": (ours.argmax(-1) == gold).double().mean().item(),
        "lm_eval_accuracy": accuracy,
        "predictions_that_differ": int((ours.argmax(-1) != theirs.argmax(-1)).sum()),
        "largest_difference_of_scores": (ours - theirs).abs().max().item(),
    }


def lm_eval_scores(folder: str, prompt: Prompt, context: str, examples: Sequence[Example]) -> tuple[torch.Tensor, float]:
    """Log-likelihoods of the label words, and accuracy, of a multiple-choice task made of the same texts."""
    from lm_eval import simple_evaluate
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    with TemporaryDirectory() as place:
        file = Path(place) / "rte.jsonl"
        lines = [json.dumps({"text": context + prompt.body(each), "label": each.label}) for each in examples]
        file.write_text("\n".join(lines))
        config = {
            "task": f"rte_{prompt.name}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"validation": str(file)}, "cache_dir": place},
            "validation_split": "validation",
            "output_type": "multiple_choice",
            "doc_to_text": "{{text}}",
            "doc_to_choice": list(prompt.verbalizer),
            "doc_to_target": "label",
            "target_delimiter": " ",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
        harness = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=8, add_bos_token=True)
        found = simple_evaluate(model=harness, tasks=[ConfigurableTask(config=config)], bootstrap_iters=0)
    samples = sorted(found["samples"][config["task"]], key=lambda sample: sample["doc_id"])
    scores = [[float(answer[0][0]) for answer in sample["resps"]] for sample in samples]
    return torch.tensor(scores), float(found["results"][config["task"]]["acc,none"])


if __name__ == "__main__":
    main()
