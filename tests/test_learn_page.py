"""The report of a learned context: the card's numbers and no others, on a terminal and on a page that loads nothing."""

import json
from dataclasses import replace
from html import unescape

import pytest
from typer.testing import CliRunner

from inweights.cards import CONTEXT_CARD, digests
from inweights.cli import app
from inweights.exports import context_card
from inweights.learn_records import Collateral, LearnReport, Recovered
from inweights.report.learn_page import page
from inweights.report.learn_report import read_card, terminal, write_learned_page
from inweights.report.learn_summary import break_evens, paid_after, verdict
from inweights.restored import restored
from inweights.types import Latency, UserError
from tests.pages import CHROMIUM, VARIANTS, assert_sound, opened_page, overlaps_and_names
from tests.sample_card import NONE, SECRET, answers, changed, few, form, measured, right, unasked, write_card


def html_of(tmp_path, found) -> str:
    """The page without its scripts."""
    text = page(*read_card(write_card(tmp_path, found)))
    return unescape(text.partition("<script")[0])


def data_of(tmp_path, found):
    text = page(*read_card(write_card(tmp_path, found)))
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


def test_the_terminal_shows_the_numbers_of_the_card():
    text = terminal(measured())
    for number in ("0.625 (95 % 0.384 to 0.711, 40 questions)", "0.877", "0.733", "0.0123 nats", "98.7 %"):
        assert number in text
    [row] = [line for line in text.splitlines() if line.startswith("distilled (lora)")]
    # 36 of 40 right; of the 32 that the model alone does not know, 28; with the context again 38 of 40.
    scores = ["0.900", "[0.769,", "0.960]", "0.875", "0.950"]
    assert row.split()[2:] == [*scores, *"10.00 ms 15.00 ms 5.00 ms 0 B 40.0 s 696.32 kB".split()]
    assert "Pays after 1,334 queries against the whole text in the prompt" in text


def test_the_page_shows_the_numbers_of_the_card(tmp_path):
    text = html_of(tmp_path, measured())
    # 40 s to learn, and 17.5 - 10 ms gained by each query; the card has no break-even against BM25.
    assert "BM25 finds (rag): pays its time back after 5,334 queries" in text
    for number in (
        "0.625 (95 % 0.384 to 0.711, 40 questions)",
        "0.0123",
        "1,334",
        "1,742",
        "15,684",
        "705.26 kB",
        "23.7 s",
    ):
        assert number in text
    drawn = data_of(tmp_path, measured())
    assert [each["value"] for each in drawn["recovered"]] == [0.625, 0.877, 0.733]
    assert {each["rival"]: each["queries"] for each in drawn["crossings"]} == {"icl": 1334, "icl-piece": 4000, "rag": 5334}
    assert {each["name"]: each["accuracy"] for each in drawn["systems"]}["icl"] == 0.975


def test_it_pays_against_a_cold_prompt_and_never_against_a_warm_one():
    text = verdict("lora", measured())
    assert text.startswith("Pays after 1,334 queries against the whole text in the prompt, read at every query; ")
    assert "never pays in time against the whole text in a warm prefix cache (10.00 ms a query against 9.90 ms)" in text
    assert "88 % (95 % interval 81 % to 94 %)" in text
    assert "BM25 with nothing learnt" not in text


def test_what_never_pays_has_no_number_of_queries(tmp_path):
    slow = changed(measured(), "distilled (lora)", latency=Latency(0.05, 0.06, 8))
    assert verdict("lora", slow).startswith("Never pays in time against the whole text in the prompt")
    assert all("never pays" in each for each in break_evens("lora", slow))
    assert data_of(tmp_path, slow)["crossings"] == []


def test_little_recovered_is_no_stand_in_however_cheap():
    poor = measured(lora=form(free=Recovered(0.19, 0.11, 0.28, 40)))
    assert verdict("lora", poor).startswith("Not yet a stand-in for the text, at any number of queries: it recovers 19 %")


def test_answers_that_are_no_better_than_the_models_alone_have_no_break_even(tmp_path):
    """9 of 40 right, where the model alone gets 8: within noise."""
    found = changed(measured(), "distilled (lora)", outcomes={"test": answers(right(0.225))})
    assert paid_after("lora", found) == {}
    assert break_evens("lora", found) == [
        "No number of queries is given, because its answers are no better than the model's alone, within noise (0.200)."
    ]
    assert verdict("lora", found).startswith("Whether it pays cannot be told: its answers are no better")
    assert data_of(tmp_path, found)["crossings"] == []


def test_fewer_than_twenty_questions_have_no_verdict_no_interval_and_no_break_even(tmp_path):
    found = few(measured(lora=form(free=Recovered(0.9, questions=5))), 5)
    assert verdict("lora", found).startswith("Whether it pays cannot be told: too few questions for an interval: 5.")
    assert paid_after("lora", found) == {}
    for text in (terminal(found), html_of(tmp_path, found)):
        assert "0.900 (too few questions for an interval: 5)" in text
        assert "mean over greedy answers, too few questions for an interval: 5" in text
    assert "1.000" in terminal(found)
    assert "[" not in terminal(found).partition("distilled (lora)")[2].splitlines()[0]
    assert data_of(tmp_path, found)["recovered"][1]["few"]


def test_free_answers_that_keep_less_than_the_information_promises_raise_an_alarm(tmp_path):
    apart = measured(lora=form(parting=Recovered(0.3, 0.12, 0.48, 40)))
    for text in (terminal(apart), html_of(tmp_path, apart)):
        assert "Alarm: its free answers recover 30 % less than its teacher-forced distributions (95 % 12 % to 48 %)" in text
    for noise in (Recovered(0.3, -0.1, 0.7, 40), Recovered(0.08, 0.02, 0.14, 40), Recovered(0.3, questions=5)):
        assert "Alarm" not in terminal(measured(lora=form(parting=noise)))


def test_sample_answers_are_shown_beside_the_gold_ones(tmp_path):
    """Five in a terminal, from all over the questions; all in the card; escaped on the page."""
    text = terminal(measured())
    assert "lora: 5 of 40 answers" in text
    assert [line.strip() for line in text.splitlines() if line.strip().startswith("question ")] == [
        f"question {number}?" for number in (0, 8, 16, 24, 32)
    ]
    for shown in ("gold     gold 8", "teacher  icl-piece answer <8>", "student  distilled (lora) answer <8>"):
        assert shown in text
    html = page(*read_card(write_card(tmp_path, measured())))
    assert "distilled (lora) answer &lt;39&gt;" in html
    assert "alone answer <39>" not in html
    assert "distilled (lora) answer <39>" in (tmp_path / CONTEXT_CARD).read_text()


def test_the_report_comes_back_from_its_card_as_it_was(tmp_path):
    assert read_card(write_card(tmp_path, measured()))[1] == measured()
    with pytest.raises(ValueError, match="Recovered has no surprise"):
        restored(Recovered, {"value": 1.0, "surprise": 2})
    with pytest.raises(KeyError, match="tokens"):
        restored(LearnReport, {})


def test_a_rival_that_costs_nothing_and_is_as_good_is_named():
    found = changed(measured(), "rag", outcomes={"test": answers(right(0.95))})
    assert verdict("lora", found).endswith("BM25 without training is right as often or more (0.950).")


def test_a_text_too_long_for_the_prompt_is_said_not_to_be_measured():
    found = measured()
    found = replace(
        found,
        systems={
            name: row for name, row in found.systems.items() if not name.startswith(("icl-c", "icl")) or name == "icl-piece"
        },
    )
    assert verdict("lora", found).startswith("Pays after 4,000 queries against the right piece in the prompt; against")
    assert any(each.startswith("Not measured: icl and icl-cached.") for each in break_evens("lora", found))


def test_an_undefined_share_is_never_a_number(tmp_path):
    found = measured(lora=form(information=Recovered(None), free=NONE, gold_log_prob=NONE))
    why = "undefined: the context makes no difference that 40 questions can show"
    for text in (terminal(found), html_of(tmp_path, found)):
        assert text.count(why) == 2
        assert "undefined: there was no question to measure it on" in text
        assert "None" not in text
        assert "nan" not in text
    assert verdict("lora", found).startswith("Whether it pays cannot be told")
    assert all(each["undefined"] for each in data_of(tmp_path, found)["recovered"])


def test_an_infinity_is_undefined_too(tmp_path):
    damaged = form(collateral=Collateral(float("nan"), 1.0), information=Recovered(float("-inf"), 0.0, 1.0, 40))
    for text in (terminal(measured(lora=damaged)), html_of(tmp_path, measured(lora=damaged))):
        assert "undefined drift on neutral prompts" in text
        assert "inf " not in text
        assert "nan" not in text


def test_without_questions_there_is_no_table_and_no_advice(tmp_path):
    text = terminal(unasked())
    assert "lora: Whether it pays cannot be told: no question was asked" in text
    assert "R_free (greedy answers): undefined: there was no question to measure it on" in text
    assert 'id="systems"' not in html_of(tmp_path, unasked())


def test_two_forms_have_a_verdict_and_a_table_each(tmp_path):
    found = measured(lora=form(), kv=form())
    found = changed(found, "distilled (kv)", latency=Latency(0.05, 0.06, 8))
    assert "kv: Never pays in time" in terminal(found)
    text = html_of(tmp_path, found)
    assert "Recovered and damaged: lora" in text
    assert "Recovered and damaged: kv" in text
    assert "distilled (kv)" in text


def test_nothing_given_can_write_html_and_no_source_text_is_shown(tmp_path):
    text = page(*read_card(write_card(tmp_path, measured())))
    for raw in ("<notes>", "a<script>", "<b>odd", "mo<i>del", SECRET):
        assert raw not in text
    assert "manual &amp; &lt;notes&gt;.txt" in text
    assert "as confidential as its sources" in text


def test_what_was_skipped_is_listed_with_its_reason(tmp_path):
    assert "a<script>.bin</b>: is not text" in html_of(tmp_path, measured())


def test_the_page_is_no_file_that_loading_checks(tmp_path):
    write_card(tmp_path, measured())
    before = digests(tmp_path)
    assert write_learned_page(tmp_path) == str(tmp_path / "page.html")
    assert digests(tmp_path) == before
    assert context_card.read(tmp_path).forms == ("lora",)


def test_report_writes_the_page_of_a_learnt_context(tmp_path):
    done = CliRunner().invoke(app.app, ["report", str(write_card(tmp_path, measured()))])
    assert done.exit_code == 0
    assert "Pays after 1,334 queries" in done.stdout
    assert done.stdout.rstrip().endswith("page.html")
    assert (tmp_path / "page.html").is_file()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"report": 1}', '{"report": {"forms": {}}}', '{"report": {"forms": {"lora": {}}}}']
)
def test_a_broken_card_is_one_line(tmp_path, text):
    (tmp_path / CONTEXT_CARD).write_text(text)
    with pytest.raises(UserError, match=r"context_card\.json cannot be read \(.*\): learn it again") as raised:
        write_learned_page(tmp_path)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "page.html").exists()


def test_what_evaluate_gives_is_all_that_is_read(tmp_path, causal):
    from inweights.context.chunks import chunks_of
    from inweights.context.evaluate import evaluate
    from inweights.context.learn import learn
    from inweights.context.qa_tokens import Question
    from inweights.context.settings import Settings
    from inweights.context.template import Template
    from inweights.sources import read_sources

    (tmp_path / "a.txt").write_text("the cat sat on the mat . the dog ate the bone .\n")
    chunks = chunks_of(causal, read_sources([str(tmp_path / "a.txt")], "auto"), 64)
    template = Template("{context}\n{question} answer :", "{question} answer :", "\n", 2)
    questions = [Question("who sat ?", gold="cat", kind="worded"), Question("who ate ?", gold="dog", kind="worded")]
    settings = Settings(epochs=1, held_out=0.0)
    outcome = learn(causal, template, chunks, settings, tmp_path / "work", queries=questions)
    for tests in (questions, ()):
        found = evaluate(causal, template, chunks, {"lora": outcome}, settings, tests)
        assert "lora: " in terminal(found)
        assert "Recovered and damaged: lora" in html_of(tmp_path, found)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
@pytest.mark.parametrize(("width", "scheme"), VARIANTS)
@pytest.mark.parametrize("forms", [1, 2])
def test_the_page_draws_without_errors_or_requests_and_fits_its_width(browser, tmp_path, forms, width, scheme):
    found = measured() if forms == 1 else measured(lora=form(), kv=form(free=NONE))
    write_learned_page(write_card(tmp_path, found))
    with opened_page(browser, tmp_path / "page.html", width, scheme) as opened:
        assert_sound(opened)
        assert opened.locator(".plot .main-svg").count() >= 5
        # Three shares by form, but for the one that is undefined.
        assert opened.locator("#recovered .point").count() == (3 if forms == 1 else 5)
        overlaps, shown = overlaps_and_names(opened)
        assert overlaps == 0
        assert shown > 3
        opened.select_option("#measure", "kv_bytes")
        assert "1.30 MB" in opened.locator("#cost").inner_text()
        assert opened.errors == []


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_the_page_says_what_it_cannot_draw(browser, tmp_path):
    write_learned_page(write_card(tmp_path, unasked()))
    with opened_page(browser, tmp_path / "page.html") as opened:
        assert_sound(opened)
        assert opened.locator("#queries").inner_text() == "No question was asked."
        assert opened.locator("#recovered").inner_text() == "All shares are undefined: see below why."
