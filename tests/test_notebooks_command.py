"""``tracer notebooks``: what it copies, what it leaves alone, and that a wheel holds them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tracer.cli import main
from tracer.commands import notebooks as command

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ENGLISH = [path.name for path in NOTEBOOKS if not path.stem.endswith(".zh")]
CHINESE = [path.name for path in NOTEBOOKS if path.stem.endswith(".zh")]


def names(folder):
    return sorted(path.name for path in folder.glob("*.ipynb"))


@pytest.mark.parametrize(
    ("lang", "expected"), [("en", ENGLISH), ("zh", CHINESE), ("all", ENGLISH + CHINESE)]
)
def test_it_copies_a_languages_notebooks(tmp_path, capsys, lang, expected):
    folder = tmp_path / "new" / "folder"
    assert main(["notebooks", str(folder), "--lang", lang]) == 0
    assert expected
    assert names(folder) == sorted(expected)
    for name in expected:
        assert (folder / name).read_bytes() == (ROOT / "notebooks" / name).read_bytes()
    said = capsys.readouterr().out
    assert f"{len(expected)} notebooks, {len(expected)} copied" in said
    assert f"jupyter lab {folder / sorted(expected)[0]}" in said


def test_a_changed_copy_is_kept_and_named(tmp_path, capsys):
    main(["notebooks", str(tmp_path)])
    changed = tmp_path / ENGLISH[0]
    changed.write_text("mine", "utf-8")
    (tmp_path / ENGLISH[1]).unlink()
    capsys.readouterr()
    assert main(["notebooks", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 copied" in said
    assert f"kept as they are, for you have changed them: {ENGLISH[0]} (--force" in said
    assert changed.read_text("utf-8") == "mine"
    assert main(["notebooks", str(tmp_path), "--force"]) == 0
    assert "kept as they are" not in capsys.readouterr().out
    assert changed.read_bytes() == (ROOT / "notebooks" / ENGLISH[0]).read_bytes()


def test_an_unchanged_older_copy_is_brought_up_to_date(tmp_path, capsys):
    main(["notebooks", str(tmp_path)])
    older = tmp_path / ENGLISH[0]
    older.write_bytes(b"what an earlier version copied")
    note = tmp_path / command.NOTE
    noted = json.loads(note.read_text("utf-8"))
    note.write_text(json.dumps({**noted, ENGLISH[0]: command.digest(older.read_bytes())}), "utf-8")
    capsys.readouterr()
    main(["notebooks", str(tmp_path)])
    assert "1 copied" in capsys.readouterr().out
    assert older.read_bytes() == (ROOT / "notebooks" / ENGLISH[0]).read_bytes()


@pytest.mark.parametrize("note", [None, "no JSON", "[1, 2]", '{"a": 3}'])
def test_a_file_of_unknown_origin_is_the_readers(tmp_path, note):
    mine = tmp_path / ENGLISH[0]
    mine.write_text("mine", "utf-8")
    if note is not None:
        (tmp_path / command.NOTE).write_text(note, "utf-8")
    assert main(["notebooks", str(tmp_path)]) == 0
    assert mine.read_text("utf-8") == "mine"
    assert names(tmp_path) == sorted(ENGLISH)


def test_bad_folders(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert main(["notebooks", str(file)]) == 2
    assert "cannot be a folder" in capsys.readouterr().err
    before = [path.read_bytes() for path in NOTEBOOKS]
    assert main(["notebooks", str(ROOT / "notebooks"), "--force"]) == 2
    assert "holds the notebooks themselves: name another folder" in capsys.readouterr().err
    assert [path.read_bytes() for path in NOTEBOOKS] == before
    assert not (ROOT / "notebooks" / command.NOTE).exists()


def test_it_starts_jupyterlab_at_the_first_one(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(command.subprocess, "call", lambda line: started.append(line) or 7)
    assert main(["notebooks", str(tmp_path), "--lang", "zh", "--start"]) == 7
    assert started == [[sys.executable, "-m", "jupyterlab", str(tmp_path / CHINESE[0])]]


def test_without_jupyterlab_it_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert main(["notebooks", str(tmp_path), "--start"]) == 2
    said = capsys.readouterr().err
    assert "JupyterLab is not installed: pip install 'rcnn-tracer[notebooks]'" in said
    assert names(tmp_path) == sorted(ENGLISH), "they are copied all the same"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A source distribution of the checkout, and the wheel that is built from it."""
    pytest.importorskip("setuptools", reason="setuptools is not installed: pip install setuptools")
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("tracer", "notebooks"):
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=leave)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    script = "import sys; from setuptools import build_meta as b; print(b.build_sdist(sys.argv[1]))"
    line = [sys.executable, "-c", script, str(folder)]
    subprocess.run(line, cwd=source, check=True, capture_output=True, text=True)
    (sdist,) = folder.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, "wheel", *options, str(sdist)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def test_sdist_and_wheel_hold_every_notebook(built):
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        inside = {Path(name).name for name in archive.getnames() if "/notebooks/" in name}
    assert {path.name for path in NOTEBOOKS} <= inside
    with zipfile.ZipFile(wheel) as archive:
        for path in NOTEBOOKS:
            assert archive.read(f"tracer/notebooks/{path.name}") == path.read_bytes()
        others = [name for name in archive.namelist() if name.startswith("notebooks/")]
    assert others == []


def test_the_wheel_in_a_fresh_place_copies_them_out(built, tmp_path):
    """Installed elsewhere, with nothing of the checkout in reach."""
    prefix, folder = tmp_path / "installed", tmp_path / "copied"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
    options = ["--no-index", "--target", str(prefix), str(built[1])]
    subprocess.run([*pip, *options], check=True, capture_output=True)
    script = (
        "import sys, tracer.cli; print(tracer.__file__); "
        f"sys.exit(tracer.cli.main(['notebooks', {str(folder)!r}, '--lang', 'all']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(prefix)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(prefix))
    assert names(folder) == sorted(ENGLISH + CHINESE)
