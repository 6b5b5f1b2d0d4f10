"""What is written, and what is never lost by it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import handmade
import pytest

from tracer import files
from tracer.cli import main
from tracer.errors import InputError, TraceFileError
from tracer.files import KINDS, output, put, put_all, sweep
from tracer.record.store import load, save

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
WEIGHTS = (
    b"\x40\0\0\0\0\0\0\0"
    + b'{"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}     '
    + b"1234"
)


SURVEY = b"\x40\0\0\0\0\0\0\0" + b'{"__metadata__":{"format":"rcnn-tracer-survey"}}                '


@pytest.fixture
def saved(tmp_path):
    return save(handmade.tiny_pass(), tmp_path / "pass.safetensors")


def samples(saved: Path) -> dict[str, bytes]:
    """The beginning of a file of each kind."""
    return {
        "recording": saved.read_bytes(),
        "weights": WEIGHTS,
        "html": b"<!DOCTYPE html><html></html>",
        "text": "# 特征图\n".encode(),
        "png": PNG,
        "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "pdf": b"%PDF-1.7\n",
        "pptx": b"PK\x03\x04" + bytes(30),
        "onnx": b"\x08\x08\x12\x07pytorch",
        "survey": SURVEY,
        "parquet": b"PAR1" + bytes(20),
        "vsix": b"PK\x03\x04" + bytes(26) + b"extension.vsixmanifest",
    }


def test_each_kind_may_replace_its_own_and_no_other(saved, tmp_path):
    """An SVG is text, and so is HTML: a text file may be put over them, for whoever names it."""
    found = samples(saved)
    assert set(found) == set(KINDS)
    target = tmp_path / "there"
    for old, content in found.items():
        target.write_bytes(content)
        for new in KINDS:
            if new == old or (new == "text" and old in ("svg", "html")):
                assert output(target, new) == target
            else:
                with pytest.raises(InputError, match="overwrite=True"):
                    output(target, new)
            assert output(target, new, overwrite=True) == target
        assert target.read_bytes() == content


def test_the_message_names_both_kinds(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    with pytest.raises(InputError) as caught:
        put(tmp_path / "a.png", "<html>", "html")
    assert "is a PNG picture already, and an HTML file was to be written" in str(caught.value)
    assert (tmp_path / "a.png").read_bytes() == PNG


def test_an_empty_file_and_a_new_one_are_written(tmp_path):
    for name in ("empty", "new"):
        (tmp_path / "empty").touch()
        put(tmp_path / name, "<html>", "html")
        assert (tmp_path / name).read_text() == "<html>"


def test_an_input_is_never_an_output(saved, tmp_path):
    link = tmp_path / "link.safetensors"
    link.symlink_to(saved)
    for name in (saved, link):
        with pytest.raises(InputError, match="is read here"):
            output(name, "recording", [tmp_path / "absent", saved], overwrite=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", "is a folder: name the file to write"),
        ("nowhere/a.html", "there is no folder"),
        ("a\0b", "zero byte"),
        ("x" * 300, "cannot be written: File name too long"),
    ],
)
def test_names_that_cannot_be_written(name, message, tmp_path):
    with pytest.raises(InputError, match=message):
        output(f"{tmp_path}/{name}", "html")


def test_a_write_protected_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.html"
    path.write_text("<html>mine</html>")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anything
    with pytest.raises(InputError, match="write-protected"):
        put(path, "<html>", "html", overwrite=True)
    assert path.read_text() == "<html>mine</html>"


def test_what_replaces_a_file_has_its_permissions(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("<html>")
    path.chmod(0o640)
    put(path, "<html>new", "html")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real.html", tmp_path / "link.html"
    real.write_text("<html>old")
    link.symlink_to(real)
    put(link, "<html>new", "html")
    assert link.is_symlink()
    assert real.read_text() == "<html>new"


# --- pipes and devices ----------------------------------------------------------------------------


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    save(handmade.tiny_pass(), pipe)
    reader.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(read[0])
    assert load(copy) == handmade.tiny_pass()


@pytest.mark.slow
def test_a_recording_and_a_page_to_standard_output(saved):
    command = [sys.executable, "-m", "tracer", "page", str(saved), "-o", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0
    assert done.stdout.lower().startswith(b"<!doctype html")
    assert done.stdout.rstrip().endswith(b"</html>")
    assert b"the recording as one page" in done.stderr


def test_a_device_is_not_replaced():
    before = os.stat("/dev/null")
    put("/dev/null", "<html>", "html")
    assert os.stat("/dev/null").st_rdev == before.st_rdev
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


# --- whole or not at all --------------------------------------------------------------------------


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    def broken(file):
        file.write(b"half")
        raise KeyboardInterrupt

    path = tmp_path / "a.html"
    path.write_text("<html>old")
    with pytest.raises(KeyboardInterrupt):
        put_all([(tmp_path / "b.html", lambda file: file.write(b"b")), (path, broken)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html"]
    assert path.read_text() == "<html>old"


KILLED = """
import os, signal, sys
from tracer.files import put_all
from pathlib import Path
def write(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
put_all([(Path(sys.argv[1]), write)])
"""


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    path = tmp_path / "a.html"
    command = [sys.executable, "-c", KILLED, str(path)]
    assert subprocess.run(command, cwd=Path(__file__).parent.parent).returncode < 0
    assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
    put(path, "<html>", "html")
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_what_a_living_process_writes_stays(tmp_path):
    seen = []

    def write(file):
        sweep(tmp_path)  # as another writer in the same folder does
        seen.append(len(list(tmp_path.glob(".tracer-*.part"))))
        file.write(b"<html>")

    put_all([(tmp_path / "a.html", write)])
    assert seen == [1]
    assert (tmp_path / "a.html").read_text() == "<html>"


# --- every command --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "page", "slides", "figures"])
def test_no_command_writes_over_its_input_or_another_kind(command, saved, tmp_path, capsys):
    picture = tmp_path / "a.png"
    picture.write_bytes(PNG)
    (tmp_path / "index.html").write_bytes(PNG)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    lines = {
        "run": [[str(picture), "-o", str(picture)], [str(saved), "-o", str(picture)]],
        "page": [[str(saved), "-o", str(saved)], [str(saved), "-o", str(picture)]],
        "slides": [[str(saved), "-o", str(tmp_path / "index.html")]],
        "figures": [[str(saved), "-o", str(picture)]],
    }
    for line in lines[command]:
        assert main([command, *line]) == 2
        said = capsys.readouterr().err
        assert said.startswith("tracer: ")
        assert said.count("\n") == 1
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_overwrite_replaces_another_kind(saved, tmp_path, capsys):
    path = tmp_path / "a.html"
    path.write_bytes(PNG)
    assert main(["page", str(saved), "-o", str(path)]) == 2
    assert main(["page", str(saved), "-o", str(path), "--overwrite"]) == 0
    assert path.read_text("utf-8").lower().startswith("<!doctype html")


def test_a_recording_replaces_no_weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(WEIGHTS)
    with pytest.raises(TraceFileError, match="a file of weights already"):
        save(handmade.tiny_pass(), path)
    assert path.read_bytes() == WEIGHTS


def test_without_locks_of_the_system(tmp_path, monkeypatch):
    """As on Windows: an open file is closed before it is moved."""
    monkeypatch.setattr(files, "fcntl", None)
    put(tmp_path / "a.html", "<html>", "html")
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
