"""What the models read: a task's examples in the lengths that a benchmark is about, and a tokenizer made for them."""

from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from typing import Any

from benchmarks.bench import Options
from inweights.models.base import Backbone
from inweights.tasks import task
from inweights.types import Example, Prompt, Task

LENGTHS = (40, 56)
"""Tokens of the queries and demonstrations of the scoring benchmarks: 48 on average."""


def entailment(options: Options) -> Task:
    return task("rte", options.data) if options.data else task("made-entailment")


def acceptability(options: Options) -> Task:
    return task("cola", options.data) if options.data else task("made-acceptability")


def written(asked: Task) -> list[str]:
    """Every training example with its answer."""
    return [asked.prompt.answered(example) for example in asked.splits["train"].load()]


def tokenizer_for(texts: Iterable[str], vocabulary: int = 8000) -> Any:
    """Byte-level BPE trained on `texts`, with one BOS in front of a text like OPT's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    made.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="</s>", eos_token="</s>", pad_token="<pad>")


def of_like_length(model: Backbone, prompt: Prompt, examples: Sequence[Example]) -> list[Example]:
    """The examples of about 48 tokens; where none is (made text is shorter), all, the nearest in length first."""
    lengths = [len(ids) for ids in model.encode([prompt.body(example) for example in examples])]
    pairs = list(zip(lengths, examples, strict=True))
    inside = [example for length, example in pairs if LENGTHS[0] <= length <= LENGTHS[1]]
    return inside or [example for _, example in sorted(pairs, key=lambda pair: abs(pair[0] - sum(LENGTHS) / 2))]


def until(model: Backbone, prompt: Prompt, examples: Sequence[Example], tokens: int) -> list[Example]:
    """Whole demonstrations from the front, until they have that many tokens together."""
    shown: list[Example] = []
    for example in examples:
        shown.append(example)
        if len(model.encode([prompt.context(shown)])[0]) >= tokens:
            break
    return shown


def as_many(examples: Sequence[Example], count: int) -> list[Example]:
    """That many, from the front again where there are fewer."""
    return list(islice(cycle(examples), count))
