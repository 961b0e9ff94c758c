"""The page in a real browser: it draws, sorts and filters, asks for nothing, and fits a phone."""

from pathlib import Path

import pytest

from inweights.records import write_whole
from inweights.report.page import page as page_of
from tests.pages import CHROMIUM, VARIANTS, assert_sound, opened_page, overlaps_and_names
from tests.sample_records import of_context, study

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


def written(records, path: Path) -> Path:
    write_whole(path, page_of(records))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return written(study(), tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture
def opened(browser, file, request):
    with opened_page(browser, file, *getattr(request, "param", (1280, "light"))) as page:
        yield page


@pytest.mark.parametrize("opened", VARIANTS, indirect=True, ids=[f"{w} {s}" for w, s in VARIANTS])
def test_it_draws_without_errors_or_requests_and_fits_its_width(opened):
    assert opened.locator(".plot .main-svg").count() >= 6
    assert opened.locator("#domains .point").count() == 6
    assert_sound(opened)
    assert opened.locator("#failed li").count() == 1


@pytest.mark.parametrize("opened", [(1280, "light"), (1280, "dark")], indirect=True, ids=["light", "dark"])
def test_text_stands_out_from_its_ground(opened):
    ratio = opened.evaluate(
        """() => {
          const light = (color) => { const c = color.match(/[\\d.]+/g).slice(0, 3).map((v) => { v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
            return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
          const of = (ink, ground) => { const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05); };
          const ground = getComputedStyle(document.body).backgroundColor;
          return Math.min(of(getComputedStyle(document.body).color, ground),
                          of(getComputedStyle(document.querySelector(".quiet")).color, ground));
        }"""
    )
    assert ratio >= 4.5  # WCAG 2.1, level AA


def methods(page) -> list[str]:
    return page.locator("#table tbody tr:not(.base) td:nth-child(4)").all_inner_texts()


def test_a_click_on_a_head_sorts_and_another_turns_it_round(opened):
    opened.get_by_role("columnheader", name="dev").click()
    best_first = methods(opened)
    assert set(best_first[:2]) == {"pbft", "pbft+lora"}
    opened.get_by_role("columnheader", name="dev").click()
    assert methods(opened) == best_first[::-1]


def test_a_filter_changes_table_and_pictures(opened):
    opened.fill("#method", "lora")
    assert sorted(methods(opened)) == ["distill+lora", "pbft+lora", "vanilla+lora"]
    assert opened.locator("#domains .point").count() == 3
    opened.fill("#method", "")
    opened.select_option("#shots", "16")
    assert opened.locator("#table tbody tr").nth(1).locator("td").nth(2).inner_text() == "16"


@pytest.mark.parametrize("opened", [(1280, "light"), (390, "dark")], indirect=True, ids=["wide", "narrow"])
def test_names_in_the_pictures_do_not_lie_on_one_another(opened):
    overlaps, shown = overlaps_and_names(opened)
    assert overlaps == 0
    assert shown > 10


def test_the_theme_can_be_switched(opened):
    before = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.click("#theme")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_labels_cannot_write_html(file):
    text = file.read_text()
    assert "<maybe>" not in text
    assert "\\u003cmaybe>" in text


def test_a_study_of_one_number_of_shots_without_out_of_domain_sets_says_what_cannot_be_drawn(browser, tmp_path):
    from dataclasses import replace

    records = [replace(r, outcomes={"dev": r.outcomes["dev"]}) for r in study(shots=(16,)) if r.status == "ok"]
    page = browser.new_page()
    page.goto(written(records, tmp_path / "page.html").as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    assert page.locator("#domains").inner_text() == "This task has no out-of-domain set."
    assert page.locator("#curve").is_hidden()
    page.close()


@pytest.mark.parametrize("questions", [5, 30])
def test_a_learned_context_is_drawn_without_a_majority(browser, questions, tmp_path):
    with opened_page(browser, written(of_context(questions), tmp_path / "page.html"), 1280, "light") as page:
        assert_sound(page)
        text = page.locator("#table").inner_text()
        assert "majority" not in text
        assert "NaN" not in text
        captions = page.locator(".pictures").inner_text()
        assert "Mean contained; bars" in captions
        assert "contained against time to adapt" in captions
        assert "ccuracy" not in captions
        assert ("[" in text) == (questions == 30)
