"""The presets put each task as the literature does, and read the real files to the published sizes and shares."""

from collections import Counter
from pathlib import Path

import pytest

from inweights.tasks import PRESETS, digest, task, task_names
from inweights.types import Example, Task, UserError

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside this checkout")

# One example per task whose label anyone can check, as a demonstration in the default pattern.
BY_HAND = {
    "rte": ({"premise": "A dog runs.", "hypothesis": "An animal runs."}, "entailment",
            "A dog runs. \nQuestion: An animal runs. True or False?\nAnswer: True"),
    "mnli": ({"premise": "A dog runs.", "hypothesis": "No dog runs."}, "contradiction",
             "A dog runs. question: No dog runs. Yes, Maybe or No? answer: No"),
    "mnli-no-neutral": ({"premise": "A dog runs.", "hypothesis": "No dog runs."}, "contradiction",
                        "A dog runs. question: No dog runs. Yes or No? answer: No"),
    "mnli-merged": ({"premise": "A dog runs.", "hypothesis": "It is late."}, "neutral",
                    "A dog runs. question: It is late. Yes or No? answer: No"),
    "cb": ({"premise": "I doubt that he came.", "hypothesis": "He came."}, "contradiction",
           "I doubt that he came. question: He came. Yes, Maybe or No? answer: No"),
    "qqp": ({"q1": "How old is Bo?", "q2": "What is Bo's age?"}, "1",
            "Question 1: How old is Bo?\nQuestion 2: What is Bo's age?\nQuestion: Do both questions ask the same thing? "
            "Answer: Yes"),
    "cola": ({"sentence": "Dogs the runs."}, "0", "grammatical: Dogs the runs. Yes or No? answer: No"),
    "sst2": ({"sentence": "a joy"}, "1", "Review: a joy\nSentiment: positive"),
    "trec": ({"text": "Who was Bo?"}, "HUM", "Question: Who was Bo?\nType: person"),
}  # fmt: skip

PUBLISHED = [
    ("rte", "minimal", "P H ?", ("Yes", "No")),
    ("rte", "gpt-3", "P question: H Yes or No? answer:", ("Yes", "No")),
    ("rte", "eval-harness", "P \nQuestion: H True or False?\nAnswer:", ("True", "False")),
    ("mnli-no-neutral", "gpt-3", "P question: H Yes or No? answer:", ("Yes", "No")),
    ("mnli", "eval-harness", "P \nQuestion: H True, False or Neither?\nAnswer:", ("True", "Neither", "False")),
    ("qqp", "minimal", "A B ?", ("No", "Yes")),
    ("qqp", "eval-harness",
     "Question 1: A\nQuestion 2: B\nQuestion: Do both questions ask the same thing? Answer:", ("No", "Yes")),
    ("cola", "minimal", "S ?", ("No", "Yes")),
    ("cola", "gpt-3", "grammatical: S Yes or No? answer:", ("No", "Yes")),
    ("sst2", "eval-harness",
     "S\nQuestion: Is this sentence positive or negative?\nAnswer:", ("negative", "positive")),
]  # fmt: skip
FIELDS = {"premise": "P", "hypothesis": "H", "q1": "A", "q2": "B", "sentence": "S"}


@pytest.mark.parametrize("name", PRESETS)
def test_the_label_of_an_example_anyone_can_check_has_the_right_word(name):
    fields, label, text = BY_HAND[name]
    preset = PRESETS[name]
    example = Example(fields, preset.sources["train"].labels[label])
    assert preset.prompts[0].answered(example) == text


@pytest.mark.parametrize(("name", "pattern", "text", "words"), PUBLISHED)
def test_a_pattern_reads_as_published(name, pattern, text, words):
    [prompt] = [each for each in PRESETS[name].prompts if each.name == pattern]
    assert prompt.body(Example(FIELDS)) == text
    assert prompt.verbalizer == words


def test_demonstrations_of_colas_minimal_pattern_are_joined_by_one_space_all_others_by_a_blank_line():
    separators = {(name, p.name): p.separator for name, preset in PRESETS.items() for p in preset.prompts}
    assert separators.pop(("cola", "minimal")) == " "
    assert set(separators.values()) == {"\n\n"}


@pytest.mark.parametrize("name", PRESETS)
def test_every_spelling_of_a_label_and_every_pattern_agree_on_the_labels(name):
    preset = PRESETS[name]
    ids = range(len(preset.prompts[0].labels))
    assert {prompt.labels for prompt in preset.prompts} == {preset.prompts[0].labels}
    for source in preset.sources.values():
        read = {source.reads_as[i] for i in ids} if source.reads_as else set(ids)
        assert set(source.labels.values()) == read
        for label in preset.prompts[0].labels:
            if label in source.labels and not source.reads_as:
                assert preset.prompts[0].labels[source.labels[label]] == label


def test_neutral_and_contradiction_both_read_as_not_entailed_on_hans():
    assert PRESETS["mnli"].sources["hans"].reads_as == (0, 1, 1)
    assert PRESETS["mnli"].sources["hans"].labels["entailment"] == 0


def real(name: str) -> Task:
    return task(name, DATA / "kshot_lmbff" if name == "qqp" else DATA)


@needs_data
@pytest.mark.parametrize("name", PRESETS)
def test_every_set_reads_and_every_pattern_renders(name):
    found = real(name)
    for split in found.splits.values():
        examples = split.load()
        assert {example.label for example in examples} == {*(split.reads_as or range(len(found.prompt.labels)))}
        for prompt in found.prompts:
            assert prompt.answered(examples[0]).startswith(prompt.body(examples[0]) + " ")


@needs_data
@pytest.mark.parametrize(
    ("name", "split", "examples", "majority"),
    [
        ("rte", "train", 2490, 0.502),
        ("rte", "dev", 277, 0.527),
        ("rte", "hans-regenerated", 30_000, 0.500),
        ("mnli", "matched", 1000, 0.373),
        ("mnli-merged", "matched", 1000, 0.627),  # a thousand rows; .645 is over all of them
        ("mnli-no-neutral", "matched", 689, 0.541),  # likewise, .512
        ("cola", "dev", 527, 0.693),  # .691 is over GLUE's dev set, which holds cola-ood too
        ("cola", "cola-ood", 516, 0.686),
        ("sst2", "dev", 872, 0.509),
        ("sst2", "cr", 2000, 0.500),
        ("trec", "dev", 500, 0.276),
        ("cb", "dev", 56, 0.500),
        ("qqp", "train", 32, 0.500),
    ],
)
def test_a_set_has_the_published_size_and_share_of_the_commonest_label(name, split, examples, majority):
    labels = [example.label for example in real(name).splits[split].load()]
    assert (len(labels), round(max(Counter(labels).values()) / len(labels), 3)) == (examples, majority)


@needs_data
def test_hans_has_three_heuristics_of_ten_subcases():
    subsets = {example.subset for example in task("rte", DATA).splits["hans-regenerated"].load()}
    assert len(subsets) == 30
    assert {name.partition("/")[0] for name in subsets} == {"lexical_overlap", "subsequence", "constituent"}
    assert all(name.count("/") == 1 for name in subsets)


@needs_data
def test_a_set_is_read_once_and_its_digest_tells_sets_apart():
    split = task("rte", DATA).splits["dev"]
    assert split.load() is split.load()
    assert digest(split.load()) == digest(list(split.load()))
    assert digest(split.load()) != digest(split.load()[1:])


def test_a_digest_moves_with_a_text_a_label_or_the_order():
    one, two = Example({"a": "x", "b": "y"}, 0), Example({"a": "x", "b": "y"}, 1)
    assert digest([one]) == digest([Example({"b": "y", "a": "x"}, 0)])
    assert len({digest(each) for each in ([one], [two], [one, two], [two, one], [])}) == 5


def test_a_task_that_is_not_there_names_the_nearest():
    with pytest.raises(UserError, match=r"there is no task 'rtee'; did you mean rte\?"):
        task("rtee")
    with pytest.raises(UserError, match=r"there is no task 'zzzz'; there are rte, mnli, .*made-.*--train FILE"):
        task("zzzz")


def test_presets_and_made_tasks_stand_in_one_list():
    assert {"rte", "mnli", "mnli-no-neutral", "mnli-merged", "qqp", "cola", "sst2", "trec"} <= set(task_names())
    assert any(name.startswith("made-") for name in task_names())
