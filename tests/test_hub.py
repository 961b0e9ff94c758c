"""Models and sets by their hub names, from folders laid out as the hub's clients keep them; no network is asked."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import folder

PREDICT = """
from inweights.models import load
model = load("someone/tiny")
print(model.card.name, model.card.architecture, model.encode(["the judge"]))
"""


def python(code: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment}
    root = str(Path(__file__).parents[1])
    env["PYTHONPATH"] = os.pathsep.join([root, env.get("PYTHONPATH", "")])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, env=env, timeout=120)


def test_a_model_is_loaded_by_its_name_from_the_cache_of_an_earlier_download(tmp_path):
    revision = "0" * 40
    place = tmp_path / "models--someone--tiny"
    shutil.copytree(folder("gpt2"), place / "snapshots" / revision)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(revision)
    done = python(PREDICT, tmp_path, HF_HUB_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("someone/tiny GPT2LMHeadModel [[")


def test_a_set_is_read_by_its_name_from_a_copy_of_its_repository(tmp_path):
    pytest.importorskip("datasets")
    place = tmp_path / "nyu-mll" / "glue"
    (place / "rte").mkdir(parents=True)
    row = {"sentence1": "It rained.", "sentence2": "It was wet.", "label": 0, "idx": 0}
    files = {"train": "train", "validation": "validation"}
    for split in files:
        (place / "rte" / f"{split}.jsonl").write_text("".join(json.dumps({**row, "idx": i}) + "\n" for i in range(3)))
    listed = "".join(f"  - split: {split}\n    path: rte/{split}.jsonl\n" for split in files)
    (place / "README.md").write_text(f"---\nconfigs:\n- config_name: rte\n  data_files:\n{listed}---\n")
    code = "from inweights.tasks import task; [print(len(task('rte').splits[s].load())) for s in ('train', 'dev')]"
    done = python(code, tmp_path, HF_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "3"]
