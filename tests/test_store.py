"""Files: exact round trips, and one clear error for everything that is no sound trace file."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from sound_recordings import traces

from tracer.errors import MissingError, TraceFileError
from tracer.record import Trace, store
from tracer.record.checks import damage
from tracer.record.store import load, save

STORIES = (
    handmade.tiny_pass,
    handmade.failed_pass,
    handmade.repeated_pass,
    handmade.tiny_construction,
    handmade.hostile_pass,
)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "pass.safetensors"


@pytest.fixture
def saved(path) -> Path:
    return save(handmade.tiny_pass(), path)


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# --- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("story", STORIES)
def test_round_trip(story, path):
    trace = story()
    assert save(trace, str(path)) == path
    assert same(load(path), trace)
    assert files_in(path.parent) == ["pass.safetensors"]


def same(a: Trace, b: Trace) -> bool:
    """Equal, and written alike: 0.0 is not -0.0, nor 1 the same as True."""
    return a == b and written(a) == written(b)


def written(trace: Trace) -> str:
    return spelt([getattr(trace, f) for f in trace.__dataclass_fields__ if f != "blobs"])


def spelt(data: object) -> str:
    """Every field of every record, and no short form."""
    if dataclasses.is_dataclass(data):
        return f"{type(data)}{spelt([getattr(data, f) for f in data.__dataclass_fields__])}"
    if isinstance(data, Mapping):
        return spelt(list(data.items()))
    if isinstance(data, (list, tuple)):
        return f"{type(data)}[{', '.join(map(spelt, data))}]"
    return repr(data)


def test_a_gradient_makes_the_round_trip(path):
    trace = handmade.tiny_pass(gradients=True)
    save(trace, path)
    gradients = [p.gradient for p in load(path).parameters]
    assert gradients == [p.gradient for p in trace.parameters]
    assert sum(g is not None for g in gradients) == 3


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    again = save(load(saved), tmp_path / "again")
    assert again.read_bytes() == saved.read_bytes()


def test_trace_has_save(path):
    trace = handmade.tiny_pass()
    assert trace.save(path) == path
    assert load(path) == trace


ARRAYS = {
    "bool": np.array([True, False]),
    "uint8": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "int64": np.array(-(2**62)),
    "float16": np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float16),
    "float64": np.zeros((3, 0, 2)),
    "bfloat16": np.ones((1, 2), np.float32),
    "complex64": np.array([1 + 2j, 3 - 4j], np.complex64),
    "complex128": np.zeros((0,), np.complex128),
    "uint16": np.asfortranarray(np.arange(12, dtype=np.uint16).reshape(3, 4)),
}


@pytest.mark.parametrize("dtype", ARRAYS)
def test_kept_arrays_of_every_type(dtype, path):
    trace = with_data(handmade.repeated_pass(1), dtype, ARRAYS[dtype])
    save(trace, path)
    back = load(path).data(0)
    assert (back.dtype, back.shape) == (ARRAYS[dtype].dtype, ARRAYS[dtype].shape)
    assert back.tobytes() == ARRAYS[dtype].tobytes()
    assert load(path) == trace


def with_data(trace: Trace, dtype: str, array: np.ndarray) -> Trace:
    """Let the trace's first tensor state be this array, kept."""
    first = trace.tensors[0]
    summary = handmade.TensorSummary(array.shape, dtype, "cpu")
    tensors = (replace(first, summary=summary, kept=True), *trace.tensors[1:])
    return replace(trace, tensors=tensors, blobs={**trace.blobs, "data/0": array})


# --- round trips of what nobody thought of --------------------------------------------------------


@pytest.mark.slow
@settings(suppress_health_check=list(HealthCheck), max_examples=60)
@given(trace=traces())
def test_any_trace_makes_the_round_trip(trace, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    save(trace, path)
    assert same(load(path), trace)


# --- the file -------------------------------------------------------------------------------------


def test_any_safetensors_client_can_read_it(saved):
    trace = handmade.tiny_pass()
    with safe_open(saved, framework="numpy") as file:
        metadata = file.metadata()
        assert (metadata["format"], metadata["version"]) == ("rcnn-tracer", "1")
        record = json.loads(metadata["record"])
        calls = record["root"][record["columns"]["Trace"].index("calls")]
        path = record["columns"]["Call"].index("path")
        assert [row[path] for row in calls] == [call.path for call in trace.calls]
        assert set(file.keys()) == set(trace.blobs)
        for name, array in trace.blobs.items():
            np.testing.assert_array_equal(file.get_tensor(name), array)


def test_record_is_strict_json(path):
    value = handmade.sequence(*map(handmade.scalar, (math.nan, -math.inf, 2**53 + 1)))
    trace = handmade.repeated_pass(1)
    calls = (replace(trace.calls[0], args=handmade.arguments({"x": value})), *trace.calls[1:])
    trace = replace(trace, calls=calls)
    save(trace, path)
    assert same(load(path), trace)
    text = document_of(path)[1]["record"]
    assert "NaN" not in text
    assert "Infinity" not in text
    assert str(2**53 + 1) not in text


def test_equal_values_are_written_once(path):
    save(handmade.repeated_pass(5), path)
    save(handmade.repeated_pass(5), path.with_name("b"))
    rows = json.loads(document_of(path)[1]["record"])["tables"]["Value"]
    assert len({repr(row) for row in rows}) == len(rows)


def test_arrays_lie_aligned(path):
    trace = with_data(handmade.tiny_pass(), "float64", np.zeros(3))
    save(trace, path)
    header, _ = document_of(path)
    sizes = {"U8": 1, "F32": 4, "F64": 8}
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    for name, entry in header.items():
        if name != "__metadata__":
            assert (8 + length + entry["data_offsets"][0]) % sizes[entry["dtype"]] == 0


# --- reading lazily -------------------------------------------------------------------------------


class CountingOpen:
    """Stands in for safe_open and counts what is read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: Any, framework: str) -> Any:
        real = safe_open(path, framework=framework)
        counting = self

        class Counted:
            metadata, keys, get_slice = real.metadata, real.keys, real.get_slice

            def get_tensor(self, name: str) -> np.ndarray:
                counting.read.append(name)
                return real.get_tensor(name)

        return Counted()


def test_loading_reads_no_array(saved, monkeypatch):
    counting = CountingOpen()
    monkeypatch.setattr(store, "safe_open", counting)
    trace = load(saved)
    assert len(trace.blobs) == 7
    assert "preview/3" in trace.blobs
    assert "preview/99" not in trace.blobs
    assert "7 arrays" in repr(trace.blobs)
    assert counting.read == []
    trace.preview(3)
    assert counting.read == ["preview/3"]
    with pytest.raises(MissingError, match="not kept"):
        trace.data(3)
    assert counting.read == ["preview/3"]


def test_a_file_replaced_or_removed_can_still_be_read(saved):
    trace = load(saved)
    save(handmade.repeated_pass(), saved)
    assert trace == handmade.tiny_pass()
    saved.unlink()
    assert trace == handmade.tiny_pass()


def test_a_trace_can_replace_its_own_file(saved):
    trace = load(saved)
    save(trace, saved)
    assert load(saved) == trace == handmade.tiny_pass()


def test_a_file_written_to_after_loading_is_an_error(saved):
    trace = load(saved)
    with open(saved, "r+b") as file:
        file.truncate(500)
    with pytest.raises(TraceFileError, match=r"cannot read preview/3 from .* was changed after"):
        trace.preview(3)


def test_a_damaged_array_is_an_error_when_it_is_read(saved):
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    trace = load(saved)
    assert trace.preview(3) is not None
    with pytest.raises(TraceFileError, match=r"cannot read preview/7 from .* damaged"):
        trace.preview(7)


# --- several files --------------------------------------------------------------------------------

MARK = "-3d6f8ffc-"  # of the record of `handmade.tiny_pass`
SHARDED = [
    *(f"pass{MARK}0000{i}-of-00003.safetensors" for i in (1, 2, 3)),
    *("pass.safetensors", "pass.safetensors.index.json"),
]


def test_large_data_goes_into_shards(path):
    trace = handmade.tiny_pass()
    save(trace, path, shard_bytes=100)
    assert files_in(path.parent) == SHARDED
    assert same(load(path), trace)
    index = json.loads(path.with_name(SHARDED[-1]).read_text())
    assert index["metadata"] == {"total_size": sum(a.nbytes for a in trace.blobs.values())}
    assert set(index["weight_map"]) == set(trace.blobs)
    for name, file in index["weight_map"].items():
        with safe_open(path.with_name(file), framework="numpy") as opened:
            np.testing.assert_array_equal(opened.get_tensor(name), trace.blobs[name])


def test_shards_are_filled(path):
    save(handmade.tiny_pass(), path, shard_bytes=1600)  # two arrays of 768 bytes, one of 8
    assert [n for n in files_in(path.parent) if "-of-" in n] == [
        f"pass{MARK}00001-of-00001.safetensors"
    ]


def test_large_previews_alone_stay_in_one_file(path):
    trace = handmade.repeated_pass()
    save(trace, path, shard_bytes=0)
    assert files_in(path.parent) == ["pass.safetensors"]


def test_replacing_a_sharded_trace_leaves_no_shards(path):
    neighbour = path.with_name("pass-00001-of-00009.safetensors")
    neighbour.write_text("not named as ours are")
    save(handmade.tiny_pass(), path, shard_bytes=100)
    save(handmade.repeated_pass(), path)
    assert files_in(path.parent) == [neighbour.name, "pass.safetensors"]
    assert load(path) == handmade.repeated_pass()


@pytest.mark.parametrize("text", [None, '{"weight_map": [[[]]]}', "no JSON"])
def test_the_index_is_for_other_clients(text, path):
    """The recording knows its shards by itself; an index that is none stays where it is."""
    index = path.with_name(SHARDED[-1])
    save(handmade.tiny_pass(), path, shard_bytes=100)
    index.unlink() if text is None else index.write_text(text)
    assert same(load(path), handmade.tiny_pass())
    save(handmade.repeated_pass(), path)
    assert files_in(path.parent) == ["pass.safetensors", *([index.name] if text else [])]


def test_neighbours_named_like_shards_stay(path):
    """They are no safetensors file, or no shard, or of a recording with a longer name."""
    text = path.with_name("pass-00000000-00001-of-00001.safetensors")
    text.write_text("not ours")
    save(handmade.repeated_pass(), path.with_name("pass-11111111-00001-of-00001.safetensors"))
    save(handmade.tiny_pass(), path.with_name("pass-x.safetensors"), shard_bytes=100)
    before = files_in(path.parent)
    save(handmade.tiny_pass(), path)
    assert files_in(path.parent) == sorted([*before, "pass.safetensors"])


def without_shard(path):
    path.with_name(SHARDED[1]).unlink()


def with_foreign_shard(path):
    save(handmade.failed_pass(), path.with_name("b.safetensors"), shard_bytes=100)
    other = next(path.parent.glob("b-*-00001-of-00002.safetensors"))
    other.replace(path.with_name(SHARDED[1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_shard, rf"'{SHARDED[1]}' is missing; keep the files"),
        (with_foreign_shard, rf"'{SHARDED[1]}' is not a part of"),
    ],
)
def test_a_sharded_trace_needs_its_files(change, message, path):
    save(handmade.tiny_pass(), path, shard_bytes=100)
    change(path)
    with pytest.raises(TraceFileError, match=message):
        load(path)


def test_a_shard_by_itself_is_no_trace(path):
    save(handmade.tiny_pass(), path, shard_bytes=100)
    with pytest.raises(TraceFileError, match="is one part of a trace; give the file without"):
        load(path.with_name(SHARDED[0]))


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[3:]
import handmade
from tracer.record.store import save
left = int(sys.argv[2])
replace, unlink = os.replace, os.unlink
def counted(then):
    def call(*args, **more):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return then(*args, **more)
    return call
os.replace, os.unlink = counted(replace), counted(unlink)
save(handmade.repeated_pass(), sys.argv[1], shard_bytes=100)
"""


SAVING = """
import sys
sys.path[:0] = sys.argv[2:]
import handmade
from tracer.record.store import save
print("ready", flush=True)
while True:
    for make in (handmade.tiny_pass, handmade.repeated_pass):
        save(make(), sys.argv[1], shard_bytes=100)
"""
KILLS = 100 if "TRACER_FUZZ" in os.environ else 3


@pytest.mark.slow
def test_killed_at_any_moment(path):
    """While shards replace shards, again and again: old or new, whole, and nothing left by then."""
    here = Path(__file__).parent
    command = [sys.executable, "-c", SAVING, str(path), str(here), str(here.parent)]
    whole = (handmade.tiny_pass(), handmade.repeated_pass())
    save(whole[0], path, shard_bytes=100)
    for kill in range(KILLS):
        saving = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert saving.stdout.readline() == b"ready\n"
        time.sleep(0.02 + 0.0017 * (kill * 37 % 101))
        saving.kill()
        saving.wait()
        saving.stdout.close()
        assert any(same(load(path), each) for each in whole)
        save(handmade.tiny_pass(), path, shard_bytes=100)
        assert files_in(path.parent) == SHARDED


@pytest.mark.slow
@pytest.mark.parametrize("after", range(9))
def test_killed_while_replacing_shards_by_shards(after, path):
    """Old or new, whole; and the next save clears what the killed one left."""
    save(handmade.tiny_pass(), path, shard_bytes=100)
    here = Path(__file__).parent
    command = [sys.executable, "-c", KILLED, str(path), str(after), str(here), str(here.parent)]
    subprocess.run(command, check=False)
    assert any(same(load(path), t) for t in (handmade.tiny_pass(), handmade.repeated_pass()))
    save(handmade.tiny_pass(), path, shard_bytes=100)
    assert files_in(path.parent) == SHARDED


# --- failing to save ------------------------------------------------------------------------------


def failing(number: int) -> Callable[..., Any]:
    def fail(*args: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("shard_bytes", [100, 10**9])
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"cannot save '.*pass.safetensors': the disk is full; free some space"),
        (errno.EACCES, r"cannot save .*: no permission to write there"),
        (errno.EROFS, r"cannot save .*: no permission to write there"),
        (errno.EIO, r"cannot save .*: Input/output error"),
    ],
)
def test_a_failure_leaves_what_was_there(step, shard_bytes, number, message, path, monkeypatch):
    save(handmade.repeated_pass(), path)
    monkeypatch.setattr(store.os, step, failing(number))
    with pytest.raises(TraceFileError, match=message):
        save(handmade.tiny_pass(), path, shard_bytes=shard_bytes)
    monkeypatch.undo()
    assert files_in(path.parent) == ["pass.safetensors"]
    assert load(path) == handmade.repeated_pass()


def test_a_disk_that_is_full_while_writing(path):
    """The system refuses to write more than 4 KB: a real failure in the middle of the file."""
    script = """
import resource, sys
sys.path[:0] = sys.argv[2:]
import handmade
from tracer.errors import MissingError, TraceFileError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    handmade.tiny_pass().save(sys.argv[1])
except TraceFileError as error:
    print(error)
"""
    here = Path(__file__).parent
    command = [sys.executable, "-c", script, str(path), str(here), str(here.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot save '{path}': File too large")
    assert files_in(path.parent) == []


def test_an_interrupt_leaves_nothing(path, monkeypatch):
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(handmade.tiny_pass(), path)
    assert files_in(path.parent) == []


def test_places_that_cannot_be(tmp_path):
    trace = handmade.tiny_pass()
    with pytest.raises(TraceFileError, match=r"there is no folder '.*/nowhere'; create it first"):
        save(trace, tmp_path / "nowhere" / "a.safetensors")
    with pytest.raises(TraceFileError, match="is a folder: name the file to write"):
        save(trace, tmp_path)
    with pytest.raises(TraceFileError, match="zero byte"):
        save(trace, "a\0b")
    with pytest.raises(TraceFileError, match="cannot save"):
        save(trace, tmp_path / ("x" * 300))
    assert files_in(tmp_path) == []


def test_a_link_is_followed(path):
    real = path.with_name("real.safetensors")
    save(handmade.repeated_pass(), real)
    path.symlink_to(real)
    save(handmade.tiny_pass(), path, shard_bytes=100)
    assert path.is_symlink()
    assert load(path) == load(real) == handmade.tiny_pass()


def test_the_file_has_usual_permissions(path):
    plain = path.with_name("plain")
    plain.touch()
    save(handmade.tiny_pass(), path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_damaged_trace_is_not_saved(path):
    trace = handmade.tiny_pass()
    broken = replace(trace, calls=trace.calls[:3])
    with pytest.raises(TraceFileError, match=r"cannot save .* the trace is damaged"):
        save(broken, path)
    wrong = replace(trace, calls=(replace(trace.calls[0], path=3), *trace.calls[1:]))
    with pytest.raises(TraceFileError, match=r"damaged, calls\[0\].path: expected str, found 3"):
        save(wrong, path)
    assert files_in(path.parent) == []


def test_a_record_too_large_for_the_format_is_an_error(path, monkeypatch):
    monkeypatch.setattr(store, "MAX_HEADER", 2000)
    with pytest.raises(TraceFileError, match="record fewer grains"):
        save(handmade.tiny_pass(), path)
    assert files_in(path.parent) == []


# --- files that are no trace ----------------------------------------------------------------------


def document_of(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a file's header and its metadata."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    return header, header["__metadata__"]


def rewrite(path: Path, header: dict[str, Any] | bytes) -> None:
    """Put another header in front of a file's data."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def forge(path: Path, record: str) -> None:
    """Put another record into a file, checksum and all."""
    header, metadata = document_of(path)
    metadata["record"] = record
    metadata["record_sha256"] = store._fingerprint(record)
    rewrite(path, header)


def missing(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def empty(path):
    path.write_bytes(b"")


def picture(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))


def script(path):
    path.write_text("print('hello')\n" * 50)


def length_lies(path):
    path.write_bytes(struct.pack("<Q", 2**63) + path.read_bytes()[8:])


def length_is_huge(path):
    path.write_bytes(struct.pack("<Q", 99_999_999) + path.read_bytes()[8:])


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def cut_in_header(path):
    path.write_bytes(path.read_bytes()[:3000])


def longer(path):
    path.write_bytes(path.read_bytes() + b"x")


def foreign(path):
    save_file({"weight": np.zeros(3, np.float32)}, path, metadata={"format": "pt"})


def foreign_without_metadata(path):
    save_file({"weight": np.zeros(3, np.float32)}, path)


def metadata(**changes: str | None) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        header, texts_ = document_of(path)
        for name, text in changes.items():
            texts_.pop(name, None)
            if text is not None:
                texts_[name] = text
        rewrite(path, header)

    return change


def entry(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        header, _ = document_of(path)
        header[name].update(changes)
        rewrite(path, header)

    return change


def record_text(text: str) -> Callable[[Path], None]:
    return lambda path: forge(path, text)


def record(*keys: Any, to: Any) -> Callable[[Path], None]:
    """Set what lies under `keys` in the record; names stand for the columns of the root."""

    def change(path: Path) -> None:
        document = json.loads(document_of(path)[1]["record"])
        place = document
        for key in keys[:-1]:
            place = place[find(document, place, key)]
        place[find(document, place, keys[-1])] = to
        forge(path, json.dumps(document))

    return change


def find(document: Any, place: Any, key: Any) -> Any:
    if isinstance(place, list) and isinstance(key, str):
        return document["columns"]["Trace"].index(key)
    return key


def entries_of_bfloat16(path):
    header, _ = document_of(path)
    header["preview/3"].update(dtype="BF16", shape=[3, 6, 4])
    rewrite(path, header)


HOSTILE = {
    "missing": (missing, r"^there is no file '.*pass.safetensors'$"),
    "folder": (folder, r"is a folder; give the file that"),
    "empty": (empty, r"is not a trace file; give one that"),
    "picture": (picture, r"is not a trace file"),
    "script": (script, r"is not a trace file"),
    "length lies": (length_lies, r"is not a trace file"),
    "length is huge": (length_is_huge, r"is damaged: it is incomplete"),
    "cut": (cut, r"is damaged: it is incomplete .*copy it again"),
    "cut in the header": (cut_in_header, r"is damaged: it is incomplete"),
    "longer": (longer, r"is damaged: it is incomplete"),
    "foreign": (foreign, r"is a safetensors file, but holds no trace"),
    "no metadata": (foreign_without_metadata, r"is a safetensors file, but holds no trace"),
    "newer": (metadata(version="2"), r"by a newer rcnn-tracer \(file version 2.*; upgrade"),
    "much newer": (metadata(version="9" * 9), r"by a newer rcnn-tracer"),
    "version text": (metadata(version="1; rm"), r"its version is '1; rm'"),
    "version long": (metadata(version="1" * 5000), r"its version is '1{20}'"),
    "no version": (metadata(version=None), r"its version is ''"),
    "no record": (metadata(record=None), r"it holds no record"),
    "other record": (metadata(record="{}"), r"its record is not what was written"),
    "no checksums": (metadata(crc32=None), r"the checksums of its arrays are missing"),
    "checksum nonsense": (metadata(crc32="[" * 9999), r"the checksums of its arrays are missing"),
    "fewer checksums": (metadata(crc32="{}"), r"the checksums of its arrays are missing"),
    "not JSON": (record_text("{"), r"is damaged: Expecting"),
    "not an object": (record_text("[]"), r"is damaged: expected the entries columns"),
    "NaN": (record_text("NaN"), r"is damaged: NaN is not JSON"),
    "long number": (record_text("9" * 5000), r"is damaged"),
    "nested": (record_text("[" * 100_000), r"is damaged"),
    "nested closed": (record_text("[" * 90_000 + "]" * 90_000), r"is damaged"),
    "lone surrogate": (record_text('"\\ud800"'), r"is damaged"),
    "no columns": (record("columns", to=[]), r"columns: expected the columns of each class"),
    "column unknown": (record("columns", "Call", to=["id", "x"]), r"columns.Call: does not name"),
    "column unnamed": (record("columns", "Call", to=[1]), r"columns.Call: does not name"),
    "column left out": (record("columns", "Call", to=["id"]), r"calls\[0\]: expected a row"),
    "table": (record("tables", "Value", to={}), r"tables.Value: expected a list, found a dict"),
    "tables": (record("tables", to={"Value": []}), r"expected the entries Source, Value"),
    "row": (record("tables", "Source", 0, to=None), r"Source 0: expected a row of a Source"),
    "itself": (record("tables", "Value", 1, 2, 0, 1, to=1), r"Value 1.items\[0\]: expected the n"),
    "later row": (record("tables", "Value", 1, 2, 0, 1, to=5), r"expected the number of a Value"),
    "negative row": (record("tables", "Value", 1, 2, 0, 1, to=-1), r"expected the number of a V"),
    "row is a bool": (record("tables", "Value", 1, 2, 0, 1, to=False), r"found False"),
    "row is a float": (record("tables", "Value", 1, 2, 0, 1, to=0.0), r"found 0.0"),
    "number for text": (record("root", "subject", to=3), r"subject: expected str, found 3"),
    "list for text": (record("root", "subject", to=[]), r"subject: expected str, found a list"),
    "text for number": (record("root", "seconds", to="3"), r"seconds: expected float, found '3'"),
    "bool for number": (record("root", "calls", 0, 0, to=True), r"calls\[0\].id: expected int"),
    "float for int": (record("root", "calls", 0, 0, to=0.0), r"calls\[0\].id: expected int"),
    "huge int": (record("root", "calls", 3, 5, to={"int": "0x" + "f" * 9000}), r"found a dict|int"),
    "odd int": (record("root", "calls", 3, 5, to={"int": "__import__('os')"}), r"found a dict"),
    "odd float": (record("root", "seconds", to={"float": "1e3"}), r"found a dict"),
    "infinite seconds": (record("root", "calls", 3, 14, to={"float": "inf"}), r"impossible number"),
    "short": (record("root", to=["pass"]), r"a Trace without subject"),
    "long": (record("root", to=[None] * 99), r"expected a row of a Trace"),
    "calls": (record("root", "calls", to={}), r"calls: expected a list, found a dict"),
    "mapping": (record("root", "modules", to=[]), r"modules: expected an object, found a list"),
    "pair": (record("root", "modules", "body", 4, 0, to=["a"]), r"expected a list of 2"),
    "parent cycle": (record("root", "calls", 3, 5, to=3), r"call 3 has parent 3"),
    "module cycle": (record("root", "modules", "head", 4, to=[["a", ""]]), r"contain each other"),
    "huge count": (record("root", "calls", 3, 6, to=2**60), r"is due"),
    "markup": (record("root", "calls", 3, 1, to="<script>"), r"of kind '<script>'"),
    "control": (record("root", "calls", 3, 1, to="\x1b[2J\n"), r"of kind '\\x1b\[2J\\n'"),
    "array type": (entries_of_bfloat16, r"an array of type 'BF16'"),
    "array shape": (entry("preview/3", shape=[3, 8, 6, 1]), r"'preview/3' does not fit"),
    "array dtype": (entry("preview/3", dtype="I8"), r"'preview/3' does not fit"),
    "array size": (entry("preview/3", shape=[2**40, 2**40]), r"is damaged"),
    "array offsets": (entry("preview/3", data_offsets=[0, 2**60]), r"is damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name, saved):
    change, message = HOSTILE[name]
    change(saved)
    with pytest.raises(TraceFileError, match=message) as caught:
        load(saved)
    text = str(caught.value)
    assert text.isprintable(), "one line, and nothing that a terminal would obey"
    assert len(text) < 500


def doubling(rows: int) -> list[Any]:
    """Rows that each hold the one before twice: 2**rows values when written out."""
    return [["scalar", "int", [], 1]] + [
        ["sequence", "list", [["0", i], ["1", i]]] for i in range(rows)
    ]


def deep(rows: int) -> list[Any]:
    return [["scalar", "int", [], 1]] + [["sequence", "list", [["0", i]]] for i in range(rows)]


@pytest.mark.parametrize("bomb", [doubling(200), deep(20_000)])
def test_a_small_file_that_would_be_enormous(bomb, saved):
    document = json.loads(document_of(saved)[1]["record"])
    count = len(document["tables"]["Value"])
    shifted = [[k, t, [[n, i + count] for n, i in rest[0]], *rest[1:]] for k, t, *rest in bomb]
    shifted.append(["arguments", "", [["x", count + len(bomb) - 1]]])
    document["tables"]["Value"] += shifted
    calls = document["root"][document["columns"]["Trace"].index("calls")]
    calls[0][8] = count + len(bomb)
    forge(saved, json.dumps(document))
    with pytest.raises(TraceFileError, match="nested too deep or makes the trace too large"):
        load(saved)


def test_missing_file_names_near_ones(saved):
    with pytest.raises(TraceFileError, match=r"no file '.*pas.safetensors'; did you mean 'pass"):
        load(saved.with_name("pas.safetensors"))
    with pytest.raises(TraceFileError, match=r"no file '.*' \(nor a folder '.*/nowhere'\)"):
        load(saved.parent / "nowhere" / "pass.safetensors")


def test_paths_are_shown_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TraceFileError, match=r"^there is no file 'a.safetensors'$"):
        load("a.safetensors")
    with pytest.raises(TraceFileError, match=r"^there is no file 'a\\n\\x1bb'$"):
        load("a\n\x1bb")
    with pytest.raises(TraceFileError, match=r"^there is no file 'a\\x00b'"):
        load("a\0b")


def test_unreadable_file(saved, monkeypatch):
    def refuse(path: Any, framework: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(store, "safe_open", refuse)
    with pytest.raises(TraceFileError, match=r"^cannot read '.*': Permission denied$"):
        load(saved)


def test_devices_are_no_files():
    with pytest.raises(TraceFileError, match="'/dev/zero' is no regular file"):
        load("/dev/zero")


def test_a_file_of_an_older_version_may_lack_columns(saved):
    """What has a default may be missing: a column that a later version adds."""
    document = json.loads(document_of(saved)[1]["record"])
    column = document["columns"]["Call"].index("thread")
    assert all(len(row) <= column for row in calls_of(document)), "no row says its thread"
    document["columns"]["Call"].remove("thread")
    forge(saved, json.dumps(document))
    assert load(saved) == handmade.tiny_pass()


def calls_of(document: Any) -> list[Any]:
    return document["root"][document["columns"]["Trace"].index("calls")]


# --- fuzzing --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("fuzz") / "pass.safetensors"
    save(handmade.tiny_pass(), path)
    return path, path.read_bytes()


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "delete", "copy"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=3,
)


def mutate(content: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    data = bytearray(content)
    for kind, where, byte in changes:
        at = int(where * len(data))
        if kind == "flip" and data:
            data[at] ^= byte
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = bytes([byte])
        elif kind == "delete":
            del data[at : at + byte]
        elif kind == "copy":
            data[at:at] = data[at : at + byte]
    return bytes(data)


@pytest.mark.slow
@settings(suppress_health_check=list(HealthCheck), max_examples=400)
@given(changes=MUTATIONS)
def test_changed_bytes_give_an_equal_trace_or_an_error(changes, valid):
    path, content = valid
    path.write_bytes(mutate(content, changes))
    try:
        equal = load(path) == handmade.tiny_pass()
    except TraceFileError:
        return
    assert equal


JUNK = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1, 7, 2**62, 2**70, 1.5, "", "x", "\x00", "\ud800", "Call"),
        *([], {}, [0], [[0]], {"a": 1}),
        *({"int": "0xff"}, {"int": "0x" + "f" * 40}, {"float": "nan"}),
    ]
)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) in a JSON document."""
    found, waiting = [], [node]
    while waiting:
        at = waiting.pop()
        keys = at if isinstance(at, dict) else range(len(at)) if isinstance(at, list) else ()
        for key in keys:
            found.append((at, key))
            waiting.append(at[key])
    return found


@pytest.mark.slow
@settings(suppress_health_check=list(HealthCheck), max_examples=400)
@given(where=st.floats(0, 1, exclude_max=True), junk=JUNK, delete=st.booleans())
def test_changed_records_give_a_sound_trace_or_an_error(where, junk, delete, valid):
    path, content = valid
    path.write_bytes(content)
    document = json.loads(document_of(path)[1]["record"])
    spots = places(document)
    container, key = spots[int(where * len(spots))]
    if delete:
        del container[key]
    else:
        container[key] = junk
    forge(path, json.dumps(document))
    try:
        trace = load(path)
    except TraceFileError:
        return
    assert damage(trace) == []
    for call in trace.calls:
        assert list(call.args.leaves()) is not None
    assert len([trace.blobs[name] for name in trace.blobs]) == len(trace.blobs)


def test_a_number_too_long_to_be_shown_is_not_written(path):
    trace = handmade.repeated_pass(1)
    args = handmade.arguments({"x": handmade.scalar(10**5000)})
    trace = replace(trace, calls=(replace(trace.calls[0], args=args), *trace.calls[1:]))
    with pytest.raises(
        TraceFileError, match=r"calls\[0\].args.*found a whole number of 16610 bits"
    ):
        save(trace, path)
