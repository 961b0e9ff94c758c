"""One of each kind of addition, written outside of the package, goes through compare, plan, export and predict.

What CONTRIBUTING says an addition costs, one class or function and one row, is what these tests do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree

import pytest
import torch

import inweights
from inweights import METHODS, Example, Prompt, Task, compare
from inweights.engine.padded import read_trees
from inweights.engine.switches import patches_on
from inweights.engine.trees import Prefix, Tree, prefix_of_each
from inweights.exports import load
from inweights.methods import KINDS
from inweights.methods.in_context import InContext
from inweights.metrics import METRICS
from inweights.models.choice_scores import choice_scores
from inweights.models.families import FAMILIES, Family
from inweights.models.generated import generated
from inweights.models.language_model import GREEDY
from inweights.models.local_model import LocalModel
from inweights.models.queries import tokenized
from inweights.models.tokenization import encode
from inweights.sources import READERS, read_sources
from inweights.sources.types import Context, Section
from inweights.training import Schedule
from inweights.types import Query, Split, UserError
from inweights.updates.base import Work, count, difference, private_copies
from tests.tiny import folder, tiny

TEXTS = ["I like the king", "what a terrible lamp"]


def examples() -> tuple[Example, ...]:
    said = (("I like the", 2), ("the plain", 1), ("I hate the", 0))
    things = ("cook", "house", "king", "lamp")
    return tuple(Example({"text": f"{opinion} {thing}"}, label) for thing in things for opinion, label in said)


def task(metric: str = "accuracy") -> Task:
    prompt = Prompt("{text} It was", ("bad", "neutral", "great"), ("0", "1", "2"))
    splits = {"train": Split(examples, "train"), "test": Split(examples, "in-domain")}
    return Task("stars", (prompt,), splits, metric=metric)


GRID = {"shots": 6, "seeds": 1, "steps": 2}


@dataclass(frozen=True)
class LastShots:
    """In-context learning with the last shots alone."""

    needs = frozenset({"choices"})
    count: int = 3

    def fit(self, model, prompt, shots, budget):
        last = [replace(draw, labelled=draw.labelled[-self.count :]) for draw in shots]
        return InContext().fit(model, prompt, last, budget)


@dataclass(frozen=True)
class NormGains:
    """Norm gains (the author's own): the weights of all norms, stored as a whole model."""

    name = "gains"
    stacks = False
    schedule = Schedule(lr=1e-2, epochs=2, batch_size=4)
    peft = False
    limits = ""
    layers: str = "ln_"

    def apply(self, model, seed):
        names = [name for name, _ in model.module.named_parameters() if self.layers in name and name.endswith("weight")]
        if not names:
            raise UserError(f"{model.card.architecture} has no parameter {self.layers}*.weight: set update.layers")
        return private_copies(model, names)

    def stored(self, trained, target):
        return None

    def restored(self, stored, adapted):
        return stored

    def deltas(self, model, parameters):
        return difference(model, parameters)

    def work(self, model, parameters):
        return Work(count(parameters))


class OneByOne(LocalModel):
    """A family that packs nothing: transformers' own forward pass over whole texts."""

    bos_ids: tuple[int, ...] = ()
    chat_template = ""

    @property
    def end_of_text_ids(self) -> frozenset[int]:
        return frozenset({self.tokenizer.eos_token_id})

    @property
    def output_embeddings(self):
        return self.module.get_output_embeddings()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return encode(self.tokenizer, texts, add_special_tokens=False)

    def count_tokens(self, texts):
        return list(map(len, self.encode(texts)))

    def tokenized(self, queries):
        return tokenized(self.encode, self.card, queries)

    def score(self, queries, batch_tokens=8192):
        return choice_scores(self, queries, batch_tokens)

    def generate(self, queries, max_new_tokens, sampling=GREEDY):
        return generated(self, queries, max_new_tokens, sampling)

    def next_token_logits(self, trees, prefix=None, vocabulary=None):
        logits = self._read(trees, prefix_of_each(prefix, len(trees)), "logits")
        return logits if vocabulary is None else logits[:, vocabulary]

    def summaries(self, sequences, pooling="own"):
        ends = [Tree(tuple(ids), reads=(len(ids) - 1,)) for ids in sequences]
        return self._read(ends, [None] * len(ends), "hidden")

    def prefix(self, ids):
        return Prefix(tuple(ids), (), ())

    def read_stems(self, trees, behind):
        raise NotImplementedError("only a model that packs decodes from stems")

    def linear_layers(self):
        return {}

    def _read(self, trees, before, what):
        with patches_on(self.patches):
            out, tokens = read_trees(self.module, trees, [each.ids if each else () for each in before], what)
        self.counter.tokens += tokens
        return out


def one_by_one(card, module, tokenizer):
    return OneByOne(card, module, tokenizer, module.config.hidden_size)


def distance(answer: str, gold: str) -> float:
    """1 for the right star, less by a half for each star that the answer is off."""
    return 1 - abs(int(answer) - int(gold)) / 2


def read_subtitles(path: Path, source: str) -> Context:
    """SubRip: a number, a line of times and the text, with an empty line between."""
    blocks = [block.splitlines() for block in path.read_text().split("\n\n") if block.strip()]
    return Context(tuple(Section(" ".join(lines[2:]), source=source, where=lines[1]) for lines in blocks))


def predicts_the_same(out: Path, fitted) -> None:
    for one, other in zip(load(out).predict(TEXTS), fitted.predict(TEXTS), strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)


def test_a_method_and_a_task(tmp_path):
    grid = {"model": folder("gpt2"), "task": task(), "methods": {"last": LastShots(), "icl": METHODS["icl"]}, **GRID}
    assert "stars last 6 shots seed 0" in compare(**grid, dry_run=True).plan()
    study = compare(**grid, out=tmp_path / "study")
    assert {record.run.method: record.status for record in study.records} == {"last": "ok", "icl": "ok"}
    fitted = study.fit("last")
    assert len(fitted.readout.demonstrations) == 3
    inweights.export(fitted, tmp_path / "out", TEXTS)
    predicts_the_same(tmp_path / "out", fitted)


def test_an_update_with_every_kind_of_training(tmp_path):
    methods = {f"{kind}+gains": KINDS[kind].of(NormGains()) for kind in KINDS}
    grid = {"model": folder("gpt2"), "task": task(), "methods": methods, **GRID}
    assert "pbft+gains" in compare(**grid, dry_run=True).plan()
    study = compare(**grid, out=tmp_path / "study")
    assert {record.status for record in study.records} == {"ok"}, [record.reason for record in study.records]
    # Five norms of 32 gains: two in each block and the last one.
    assert {record.trained_parameters for record in study.records if record.run.method == "pbft+gains"} == {5 * 32}
    fitted = study.fit("pbft+gains")
    inweights.export(fitted, tmp_path / "out", TEXTS)
    predicts_the_same(tmp_path / "out", fitted)


def test_a_setting_of_an_update_is_reached_by_its_path_and_its_error_is_one_line():
    grid = {"model": folder("gpt2"), "task": task(), "methods": {"pbft+gains": KINDS["pbft"].of(NormGains())}, **GRID}
    with pytest.raises(UserError, match=r"pbft\+gains does not run on .* has no parameter rms\*\.weight"):
        compare(**grid, set={"pbft+gains.update.layers": "rms"}, dry_run=True)


def test_a_family(tmp_path, monkeypatch):
    row = Family(
        task_type="CAUSAL_LM",
        summary="last",
        head_pooling="own",
        head_bias=False,
        abilities=frozenset({"choices", "text", "states", "weights"}),
        of=one_by_one,
        recognizes=lambda config: config.model_type == "gpt2",
    )
    packed = tiny("gpt2")
    monkeypatch.setitem(FAMILIES, "one-by-one", row)
    # A folder of its own: shapes of models are kept by name.
    copytree(folder("gpt2"), tmp_path / "model")
    grid = {"model": tmp_path / "model", "task": task(), "methods": ["icl", "pbft", "vanilla"], **GRID}
    assert "pbft" in compare(**grid, dry_run=True).plan()
    study = compare(**grid, out=tmp_path / "study")
    assert {record.status for record in study.records} == {"ok"}, [record.reason for record in study.records]
    fitted = study.fit("icl")
    assert type(fitted.readout.model) is OneByOne
    expected = replace(fitted.readout, model=packed)(examples())
    torch.testing.assert_close(fitted.readout(examples()), expected, atol=1e-4, rtol=1e-4)
    query = Query("I like the")
    assert fitted.readout.model.generate([query], 4) == packed.generate([query], 4)
    with pytest.raises(UserError, match="cannot take a prefix: take lora"):
        compare(**{**grid, "methods": "pbft+prefix"}, dry_run=True)
    inweights.export(fitted, tmp_path / "out", TEXTS)
    predicts_the_same(tmp_path / "out", fitted)


def test_a_metric(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "distance", distance)
    grid = {"model": folder("gpt2"), "methods": "icl", **GRID}
    study = compare(**grid, task=task("distance"), out=tmp_path / "study")
    [record] = study.records
    outcome = record.outcomes["test"]
    assert outcome.scores == tuple(map(distance, outcome.answers, outcome.gold))
    assert set(outcome.scores) - {0.0, 1.0}
    frame = study.to_dataframe()
    assert frame["accuracy"][0] == pytest.approx(sum(outcome.scores) / len(outcome.scores))
    with pytest.raises(UserError, match="there is no metric 'stars'; there are accuracy, mcc"):
        compare(**grid, task=task("stars"))


def test_a_source(tmp_path, monkeypatch):
    monkeypatch.setitem(READERS, ".srt", read_subtitles)
    path = tmp_path / "talk.srt"
    path.write_text("1\n00:01 --> 00:02\nThe mill\nstands.\n\n2\n00:03 --> 00:04\nIt is old.\n")
    context = read_sources([path])
    assert [(each.text, each.where) for each in context.sections] == [
        ("The mill stands.", "00:01 --> 00:02"),
        ("It is old.", "00:03 --> 00:04"),
    ]
    assert [each.text for each in read_sources([tmp_path]).sections] == ["The mill stands.", "It is old."]
