"""The teacher's part of learning a context, beside plain transformers: greedy answers of 16 tokens behind a text of 1,536
tokens, then what the model says of every token of them.

The peer reads every prompt whole, once to answer and once for its distributions, and answers the first few questions:
each costs it as much as the next. Ours works out the bare model's distance as well, and that is in its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.bench import Benchmark, Goal, Options, Row, Timed, compared, in_turns, same
from benchmarks.shapes import SHAPES, ModelShape, on_each, tolerance
from benchmarks.text import entailment, written
from inweights.context.qa_tokens import Question
from inweights.context.teacher import teacher_answers_of
from inweights.context.template import Template
from inweights.meter import measure
from inweights.models.base import Backbone
from inweights.scoring.teacher_logprobs import TeacherLogprobs, truncated
from inweights.types import Cost, UserError

# Ended by the end of text alone, as `generate` ends its answers.
TEMPLATE = Template(end="", answer_tokens=16)
QUESTION_TOKENS = 32


@dataclass(frozen=True)
class Lessons:
    answers: list[tuple[int, ...]]
    logprobs: list[TeacherLogprobs]
    cost: Cost

    @property
    def log_probs(self) -> list[float]:
        """Of all cells in order of size: which of two equals comes first says nothing."""
        return torch.cat([each.log_probs.clamp_min(-100).sort(-1).values.flatten() for each in self.logprobs]).tolist()


def beside_whole_prompts(options: Options, goal: Goal) -> list[Row]:
    source = _source(options)
    tokens, asked, first = (256, 8, 2) if options.quick else (1536, 64, 8)

    def rows(made: ModelShape) -> list[Row]:
        model, module, tokenizer = made.ours(), made.theirs(), made.tokenizer()
        words = " ".join(source).split()
        context, rest = _cut(model, words, tokens - len(model.encode([TEMPLATE.context("")])[0]))
        questions: list[Question] = []
        while len(questions) < asked:
            text, rest = _cut(model, rest or words, QUESTION_TOKENS)
            questions.append(Question(text))
        ways = {
            "ours": lambda: _ours(model, context, questions),
            "peer": lambda: _whole_prompts(module, tokenizer, context, questions[:first]),
        }
        # Once before the clock starts; one question's logits are small, so that a copy of the weights would be seen.
        least = _ours(model, context, questions[:1]).result.cost.peak_bytes
        _whole_prompts(module, tokenizer, context, questions[:1])
        turns = in_turns(ways, options.repeats or (1 if options.quick else 2))
        ours, peer = turns["ours"][0].result, turns["peer"][0].result
        assert ours.answers[:first] == peer.answers, "the two sides answer differently: not the same work"
        proof = same(replace(ours, logprobs=ours.logprobs[:first]).log_probs, peer.log_probs, tolerance(1e-4))
        own, whole = ([turn.seconds / count for turn in turns[side]] for side, count in (("ours", asked), ("peer", first)))
        weights = sum(table.numel() * table.element_size() for table in model.module.parameters())
        more: dict[str, Any] = {
            "questions": asked,
            "questions_of_peer": first,
            "context_tokens": len(model.encode([TEMPLATE.context(context)])[0]),
            "weights_bytes": weights,
            # All peaks are above the weights, which are loaded before.
            "peak_bytes": ours.cost.peak_bytes,
            "peak_bytes_of_one_question": least,
            "peak_bytes_of_peer": peer.cost.peak_bytes,
            "one_copy_of_weights": least < weights,
        }
        return [compared(made.name, goal, "seconds per question", own, whole, **more, **proof)]

    return on_each(SHAPES, source, options, rows)


def _source(options: Options) -> list[str]:
    """The text's lines."""
    if options.data is None:
        return written(entailment(options))
    books = sorted(options.data.glob("*.txt"))
    if not books:
        raise UserError(f"{options.data} has no .txt file: expected --data DIR with a book as .txt, or leave --data out")
    return books[0].read_text(encoding="utf-8-sig").splitlines()


def _cut(model: Backbone, words: Sequence[str], tokens: int) -> tuple[str, list[str]]:
    """As many words from the front as make up `tokens` tokens, and what is left."""
    counts = [len(ids) - 1 for ids in model.encode([f" {word}" for word in words[:tokens]])]
    taken = next((number for number in range(len(counts)) if sum(counts[: number + 1]) > tokens), len(counts))
    return " ".join(words[:taken]), list(words[taken:])


def _ours(model: Backbone, context: str, questions: Sequence[Question]) -> Timed[Lessons]:
    found, cost = measure(lambda: teacher_answers_of(model, TEMPLATE, context, questions))
    answers = [each.with_context.completion_ids for each in found.examples]
    return Timed(cost.seconds, Lessons(answers, list(found.logprobs), cost))


def _whole_prompts(module: Any, tokenizer: Any, context: str, questions: Sequence[Question]) -> Timed[Lessons]:
    texts = [TEMPLATE.context(context) + TEMPLATE.asked(each.text) for each in questions]
    found, cost = measure(lambda: [_answered(module, tokenizer, text) for text in texts])
    return Timed(cost.seconds, Lessons([answer for answer, _ in found], [each for _, each in found], cost))


@torch.no_grad()
def _answered(module: Any, tokenizer: Any, text: str) -> tuple[tuple[int, ...], TeacherLogprobs]:
    prompt = tokenizer(text, return_tensors="pt").to(module.device)
    inputs = {name: prompt[name] for name in ("input_ids", "attention_mask")}
    whole = module.generate(**inputs, max_new_tokens=TEMPLATE.answer_tokens, do_sample=False)
    answer = whole[0, inputs["input_ids"].shape[1] :]
    # At a position the logits are of the next token.
    logits = module(whole[:, :-1], use_cache=False, logits_to_keep=len(answer)).logits[0]
    return tuple(answer.tolist()), truncated(logits.float().log_softmax(-1))


BENCHMARKS = (
    Benchmark(
        "learn-teacher",
        "a teacher's answers and distributions behind 1,536 tokens, beside transformers with whole prompts",
        Goal(8, 8),
        beside_whole_prompts,
    ),
)
