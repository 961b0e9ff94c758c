import pytest

from inweights.metrics import METRICS, contained, exact_match, normalized, rouge_l, token_f1


def test_a_sentence_that_holds_the_right_answer_contains_it():
    assert contained("The Velmora HX-40 holds 3.2 litres of water.", "3.2 litres") == 1.0


def test_a_number_is_not_contained_in_a_longer_one():
    assert contained("It holds 13.2 litres.", "3.2 litres") == 0.0
    assert contained("It costs 3.25.", "3.2") == 0.0


def test_an_empty_gold_answer_is_contained_in_nothing():
    assert contained("anything", "") == 0.0


def test_exact_match_ignores_case_punctuation_and_articles():
    assert exact_match("The blue unit.", "blue unit") == 1.0
    assert exact_match("The blue units.", "blue unit") == 0.0


def test_token_f1_of_a_hand_worked_pair():
    # said: holds 3.2 litres (3 words), gold: 3.2 litres of water (4): two in common, 2 * 2 / 7.
    assert token_f1("holds 3.2 litres", "3.2 litres of water") == pytest.approx(4 / 7)


def test_rouge_l_of_the_example_of_lin_2004():
    # police killed the gunman / police kill the gunman: "police the gunman" of 4 and 4 words.
    assert rouge_l("police kill the gunman", "police killed the gunman") == pytest.approx(0.75)
    assert rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(0.5)


def test_normalised_text_keeps_the_point_inside_a_number():
    assert normalized("About 3.2 litres, or 1,200 ml.") == "about 3.2 litres or 1,200 ml"


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_between_0_and_1_and_1_of_the_gold_text_itself(name):
    assert METRICS[name]("a red fox", "a red fox") == 1.0
    assert 0 <= METRICS[name]("seven lamps", "a red fox") < 1


def test_a_number_with_and_without_its_thousands_separator_is_the_same_number():
    assert exact_match("1,200", "1200") == 1.0
    assert contained("It weighs 1200 kg.", "1,200 kg") == 1.0
    assert exact_match("1,2", "12") == 0.0
