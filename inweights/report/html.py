"""A page as one self-contained file that works offline: a template with its style, its scripts, and its data as JSON."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def rendered(name: str, data: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """assets/NAME.html.j2 filled with `values`, and with `data` for assets/NAME.js to draw."""
    from jinja2 import Environment, FunctionLoader
    from plotly.offline import get_plotlyjs

    template = Environment(autoescape=True, loader=FunctionLoader(_asset)).get_template(f"{name}.html.j2")
    scripts = [get_plotlyjs(), _asset("plots.js"), _asset(f"{name}.js")]
    return template.render({**values, "style": _asset("page.css"), "scripts": scripts, "data": _in_script(data)})


def _asset(name: str) -> str:
    return (files("inweights.report") / "assets" / name).read_text(encoding="utf-8")


def _in_script(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
