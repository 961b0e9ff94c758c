"""How an example reads as text: what a pattern means, and what is refused of it."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inweights.plain_text import without_marks
from inweights.types import Domain, Example, Prompt, Record, Run, Split, Task, UserError, Weights


def prompt(pattern: str, **more: str) -> Prompt:
    return Prompt(pattern, ("No", "Yes"), ("no", "yes"), **more)


def test_fields_are_put_in_and_the_label_word_follows_after_one_space():
    asked = prompt("{q1} {q2} ?", answer_prefix=" answer:")
    example = Example({"q1": "A", "q2": "B"}, 1)
    assert asked.body(example) == "A B ? answer:"
    assert asked.answered(example) == "A B ? answer: Yes"


def test_a_body_never_ends_in_a_space():
    assert prompt("{x} ").answered(Example({"x": "so \n"}, 0)) == "so No"


def test_doubled_braces_are_braces():
    assert prompt("{{{x}}} {{x}}").body(Example({"x": "1"})) == "{1} {x}"


def test_a_lone_brace_is_itself():
    assert prompt("{x} } {").body(Example({"x": "1"})) == "1 } {"


@given(st.text(), st.text())
def test_what_a_field_holds_is_never_read_as_a_pattern(first, second):
    body = prompt("<{a}|{b}>").body(Example({"a": first, "b": second}))
    assert without_marks(body) == without_marks(f"<{first}|{second}>")


@pytest.mark.parametrize("text", ["{b}", "{{b}}", "{0}", "{", "}}", "{b!r:>9}", "%s", "$b", "\\1", "\\g<0>"])
def test_marks_of_every_templating_language_are_kept(text):
    assert without_marks(prompt("{a}!").body(Example({"a": text, "b": "no"}))) == f"{text}!"


def test_field_names_are_those_shown_in_order_each_once():
    assert prompt("{b} {a} {b} {{c}}").field_names == ("b", "a")


def test_a_field_that_the_examples_lack_is_named_with_those_they_have():
    with pytest.raises(UserError, match=r"'\{premise\}\?' asks for the field \{premise\}; the examples have text, label"):
        prompt("{premise}?").body(Example({"text": "a", "label": "b"}))


def test_demonstrations_are_each_followed_by_the_separator():
    asked = prompt("{x}?", separator="\n\n")
    assert asked.context([]) == ""
    assert asked.context([Example({"x": "a"}, 1), Example({"x": "b"}, 0)]) == "a? Yes\n\nb? No\n\n"


@pytest.mark.parametrize(
    ("words", "labels", "message"),
    [
        (("a",), ("x", "y"), r"2 labels \(x, y\) but 1 label words \(a\): give one word for each label"),
        (("a", "a"), ("x", "y"), "label words must differ, not a, a"),
        (("a", "b"), ("x", "x"), "labels must differ, not x, x"),
        (("a", " "), ("x", "y"), "a label word is empty"),
        (("a", " b"), ("x", "y"), "the label word ' b' begins or ends with a space: give it without"),
        (("\u0120a", "b"), ("x", "y"), "give it without, one space is added before it"),
        (("a", "\u2581b"), ("x", "y"), "give it without, one space is added before it"),
    ],
)
def test_label_words_that_cannot_be_told_apart_or_are_not_plain_are_refused(words, labels, message):
    with pytest.raises(UserError, match=message):
        Prompt("{x}", words, labels)


def test_label_words_may_be_phrases():
    asked = Prompt("{x}", ("not at all", "very much so"), ("no", "yes"))
    assert asked.answered(Example({"x": "a"}, 1)) == "a very much so"


def split(domain: Domain) -> Split:
    return Split(list, domain)


def test_evaluation_sets_are_the_in_domain_ones_then_the_others():
    sets = {f"{index} {domain}": split(domain) for index, domain in enumerate(reversed(get_args(Domain)))}
    assert list(Task("t", (prompt("{x}"),), sets).evaluation) == ["1 in-domain", "0 out-of-domain"]


def test_a_prompt_is_found_by_name_and_the_first_is_the_default():
    task = Task("t", (prompt("{x}", name="a"), prompt("{x}?", name="b")), {})
    assert [task.prompt_named(name).name for name in (None, "a", "b")] == ["a", "a", "b"]
    with pytest.raises(UserError, match="task 't' has no pattern named 'c'; it has a, b"):
        task.prompt_named("c")


def test_seconds_per_query_are_not_made_up_where_nothing_was_predicted():
    assert Record(Run(Weights("m"), "t", "icl", 2, 0), "failed").seconds_per_query is None
