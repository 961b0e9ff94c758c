"""The embedded model's card: what it is, what it is not, and the figures measured of it."""

from statistics import mean
from typing import Any

from inweights.grammar import tasks
from inweights.models.base import Backbone
from tools.embedded.language import EASY, HARD, vocabulary

TEXT = """---
license: apache-2.0
library_name: transformers
tags: [made-language, tiny]
---

# The embedded model

A language model of {parameters:.2f} million parameters in Llama's layout ({blocks} blocks, width {width}, {heads} heads,
one token a word) that ships with inweights, so that every method can be run offline in seconds. It was trained by
`python -m tools.embedded.train` on text that the project makes itself: a small English of {words} words.

**It is not** a model of English: it knows nothing of the world, and any word that is not in its lexicon is `<unk>` to
it. What holds for it need not hold for larger models; it is there to show and test the methods.

**It can** look labels up in its context: classify sentences behind demonstrations whose label words were never labels
in training, in patterns never seen. As single words without sentences they did occur, in pairs of words to recall.
It answers questions about documents of facts as far as the table says, and goes on with plain text of its language.

Figures of `python -m tools.embedded.evaluate`: label words and patterns held out of training, {queries}
queries, {draws} draws, questions about documents of {facts} facts.

| | chance | no demonstrations | {shots} demonstrations |
|---|---|---|---|
{rows}

Plain text takes it {nats:.3f} nats a word; the grammar itself leaves {least:.3f} open.

| question about a document | without it | with it |
|---|---|---|
{documents}
"""


def card(figures: dict[str, Any], model: Backbone) -> str:
    """Markdown. `figures` as `evaluate` finds them."""
    config: Any = model.module.config
    rows = [_row(f"{name} ({', '.join(of)})", figures, of) for name, of in (("easy", EASY), ("hard", HARD))]
    rows += [_row(task, figures, (task,)) for task in tasks.CLASSES]
    documents = [f"| {kind} | {v['without']:.3f} | {v['with']:.3f} |" for kind, v in figures["documents"].items()]
    return TEXT.format(
        parameters=model.card.parameters / 1e6,
        blocks=config.num_hidden_layers,
        width=config.hidden_size,
        heads=config.num_attention_heads,
        words=len(vocabulary()),
        rows="\n".join(rows),
        **figures["text"],
        **{**figures, "documents": "\n".join(documents)},
    )


def _row(name: str, figures: dict[str, Any], of: tuple[str, ...]) -> str:
    found = [mean(figures["chance"][task] for task in of)]
    found += [mean(figures["tasks"][task][how] for task in of) for how in ("zero-shot", "icl")]
    return f"| {name} | " + " | ".join(f"{value:.3f}" for value in found) + " |"
