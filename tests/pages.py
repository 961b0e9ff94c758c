"""A page opened in a real browser, with what went wrong and what it asked for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
VARIANTS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]


@contextmanager
def opened_page(browser: Any, file: Path, width: int = 1280, scheme: str = "light") -> Iterator[Any]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.errors, page.requests = [], []
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    yield page
    context.close()


def assert_sound(page: Any) -> None:
    """Drawn without errors or requests, and no wider than the screen."""
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def overlaps_and_names(page: Any) -> tuple[int, int]:
    """Names in the pictures that lie on one another, and all that are shown."""
    found = page.evaluate(
        """() => [...document.querySelectorAll(".plot")].reduce(([overlaps, shown], plot) => {
          const boxes = [...plot.querySelectorAll(".textpoint text")].filter((text) => text.style.visibility !== "hidden")
            .map((text) => text.getBoundingClientRect()).filter((box) => box.width);
          const hits = boxes.filter((a, i) => boxes.some((b, j) => j < i && a.left < b.right && a.right > b.left
            && a.top < b.bottom && a.bottom > b.top));
          return [overlaps + hits.length, shown + boxes.length];
        }, [0, 0])"""
    )
    return found[0], found[1]
