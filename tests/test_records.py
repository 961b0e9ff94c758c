"""A record is written whole or not at all, and reads back as it was."""

import errno
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inweights.records import progress, read, read_folder, to_json, write_whole
from inweights.types import Budget, Cost, Outcome, Record, Run, UserError, Weights

RECORD = Record(
    run=Run(Weights("m", "bf16"), "rte", "pbft+lora", 16, 3, "gpt-3", {"update.rank": "4"}, Budget(steps=5), 100, "kfold"),
    status="ok",
    labels=("no", "ja «»"),
    outcomes={
        "dev": Outcome("in-domain", (0.0, 1.0), ("ja «»",) * 2, ("no", "ja «»"), ("a/b", "a/c"), 0.25, ((0.4, 0.6),) * 2)
    },
    load=Cost(0.5, 0, 10, 20, "VmHWM"),
    adapt=Cost(1.5, 7, 11, 21, "VmHWM"),
    queries=2,
    indices=(5, 3),
    losses=(0.7, 0.6),
    settings={"lr": 0.1, "update": "LoRA"},
    notes={"demonstrations": [1, 2]},
    environment={"torch": "2"},
)
FAILED = Record(Run(Weights("m"), "rte", "icl", 16, 3), "diverged", "the loss was nan at step 3", losses=(0.5,))


@pytest.mark.parametrize("record", [RECORD, FAILED], ids=["ok", "failed"])
def test_a_record_reads_back_as_it_was(record, tmp_path):
    write_whole(tmp_path / "a.json", to_json(record))
    assert read(tmp_path / "a.json") == record


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_record_cut_off_is_named_with_what_to_do(share, tmp_path):
    text = to_json(RECORD).rstrip()
    (tmp_path / "a.json").write_text(text[: int(share * len(text))])
    with pytest.raises(UserError, match=r"a.json is not a whole record \(.*\): delete it and run the study again"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"run": None},
        {"outcomes": [1]},
        {"labels": 3},
        {"losses": None},
        {"adapt": {"seconds": 1}},
        {"from the future": 1},
    ],
    ids=str,
)
def test_a_record_of_another_shape_is_no_record(change, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({**json.loads(to_json(RECORD)), **change}))
    with pytest.raises(UserError, match="is not a whole record"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize("text", [b"[]", b"3", b"null", b"\xff\xfe", b'{"format": 2}'])
def test_what_is_no_record_at_all_is_named_too(text, tmp_path):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(UserError, match="is not a whole record"):
        read(tmp_path / "a.json")


def test_a_record_of_an_earlier_format_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "a.json").write_text('{"format":1,"run":{"model":"m","task":"rte"}}')
    with pytest.raises(
        UserError, match=r"a.json was written by an earlier version .*: run the study again with another --out"
    ):
        read(tmp_path / "a.json")


def test_a_folder_is_read_in_the_order_of_names_and_leftovers_are_passed_over(tmp_path):
    with pytest.raises(UserError, match="is not a study: it has no folder `records`"):
        read_folder(tmp_path)
    (tmp_path / "records").mkdir()
    write_whole(tmp_path / "records" / "b.json", to_json(RECORD))
    write_whole(tmp_path / "records" / "a.json", to_json(FAILED))
    (tmp_path / "records" / ".b.json.123.abcd").write_text('{"for')  # of a process that was killed
    assert read_folder(tmp_path) == [FAILED, RECORD]


def test_writing_again_replaces_all_of_it(tmp_path):
    write_whole(tmp_path / "a.json", "long " * 1000)
    write_whole(tmp_path / "a.json", "short")
    assert (tmp_path / "a.json").read_text() == "short"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_file_has_the_rights_of_any_other_file(tmp_path):
    (tmp_path / "other").touch()
    write_whole(tmp_path / "a.json", "x")
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("at", ["write", "fsync", "replace"])
def test_on_a_full_disk_the_old_file_stays_and_nothing_is_left_behind(at, tmp_path, monkeypatch):
    write_whole(tmp_path / "a.json", "before")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if at == "write":
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    else:
        monkeypatch.setattr(os, at, full)
    try:
        with pytest.raises(OSError, match="File too large" if at == "write" else "No space left on device"):
            write_whole(tmp_path / "a.json", "after " * 1000)
    finally:
        if at == "write":
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (tmp_path / "a.json").read_text() == "before"
    assert os.listdir(tmp_path) == ["a.json"]


FULL_DISK = Path("/dev/full")


@pytest.mark.skipif(not FULL_DISK.exists(), reason="there is no /dev/full, whose every write finds the disk full")
def test_a_truly_full_device_is_an_os_error(tmp_path, monkeypatch):
    open_as_before = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a, **k: open_as_before(FULL_DISK, "wb"))
    with pytest.raises(OSError, match="No space left on device"):
        write_whole(tmp_path / "a.json", "text")
    assert os.listdir(tmp_path) == []


WRITER = """
import itertools, sys
from pathlib import Path
from inweights.records import write_whole
for number in itertools.count():
    write_whole(Path(sys.argv[1]), f"{number} " * 50_000)
    print(flush=True)
"""


def test_a_writer_killed_at_any_instant_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.json"
    for wait in (0.0, 0.003, 0.011):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.kill()
        process.wait()
        numbers = path.read_text().split()
        assert (len(numbers), len(set(numbers))) == (50_000, 1)


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": 3}'])
def test_a_damaged_plan_is_named_with_what_to_do(text, tmp_path):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UserError, match=r"plan\.json cannot be read \(.+\): delete it, or run the study again"):
        progress(tmp_path)
