"""The examples run as they are, on a tiny model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import folder

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    env = {"PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_under_40_lines(path: Path) -> None:
    """The one that writes a method, an update and a task holds three examples."""
    assert len(path.read_text().splitlines()) < (100 if path.name == "your_own_method.py" else 40)


def test_your_own_method() -> None:
    out = run("your_own_method.py", folder("opt"))
    for line in ("centroids 8 shots seed 0", "| centroids |", "| pbft+gains |", "Prediction(label="):
        assert line in out


def test_compare_your_own_data() -> None:
    out = run("compare_your_own_data.py", folder("opt"))
    assert "vanilla+lora" in out
    assert "long" in out


@pytest.mark.parametrize(
    ("name", "line"), [("your_own_method.py", "| pbft+gains |"), ("compare_your_own_data.py", "| vanilla+lora |")]
)
def test_an_example_runs_with_its_default_model(name: str, line: str) -> None:
    assert line in run(name)


def test_notebook() -> None:
    assert "pbft+lora" in run("notebook.py", folder("opt"))


def test_predict_with_an_export() -> None:
    assert "score the same within 0.0001" in run("predict_with_an_export.py", folder("opt"))


def test_load_with_plain_libraries(tmp_path: Path) -> None:
    from inweights.exports import About
    from inweights.exports.export import write
    from tests.exports import CHECKS, words
    from tests.tiny import tiny

    write(words(tiny("opt"), "lora"), tmp_path, CHECKS, About())
    lines = run("load_with_plain_libraries.py", tmp_path).splitlines()
    assert len(lines) == len(CHECKS)
    for line in lines:
        now, then = (json.loads(each) for each in line.split(" exported with "))
        assert now == pytest.approx(then, abs=2e-4)
