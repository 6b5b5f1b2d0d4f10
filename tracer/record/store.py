"""Traces in files: one `.safetensors` file, or several where the kept data is large.

The file's metadata holds ``format``, ``version`` and ``record`` (JSON text, see `codec`);
its entries are the arrays, ``preview/<state>`` and ``data/<state>``. Complex arrays are stored as
pairs of floats. Checksums tell a damaged file from a sound one. Beyond `SHARD_BYTES` the kept data
goes to ``NAME-1a2b3c4d-00001-of-00002.safetensors`` and so on, named after the record's hash, so
that those of another recording stay until the new one is complete; for other clients of the format
``NAME.safetensors.index.json`` lists which file holds what.

`load` trusts nothing that it reads: a file gives a sound Trace, or a `TraceFileError`.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import stat
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from tracer.errors import InputError, TraceFileError, near
from tracer.files import Job, is_stream, output, put_all
from tracer.record.checks import ARRAY_DTYPES, Spec, contradictions, damage, specs
from tracer.record.codec import Misfit, decode, encode
from tracer.record.model import Source, TensorState, Trace, Value

FORMAT = "rcnn-tracer"
VERSION = 1
SHARD_BYTES = 4 * 2**30
MAX_HEADER = 100_000_000
"""How many bytes of record any safetensors client reads at most: the format's own limit."""

_SHARED = (Source, Value)
_OMIT = frozenset({"blobs"})
_DTYPES: dict[np.dtype, str] = {
    np.dtype(numpy): name
    for numpy, name in {
        **{"bool": "BOOL", "uint8": "U8", "int8": "I8", "float16": "F16"},
        **{"uint16": "U16", "uint32": "U32", "uint64": "U64", "float32": "F32"},
        **{"int16": "I16", "int32": "I32", "int64": "I64", "float64": "F64"},
    }.items()
}
_NUMPY = {name: dtype for dtype, name in _DTYPES.items()}
_PART_OF: dict[np.dtype, np.dtype] = {
    np.dtype("complex64"): np.dtype("float32"),
    np.dtype("complex128"): np.dtype("float64"),
}


# --- saving ---------------------------------------------------------------------------------------


def save(
    trace: Trace,
    path: str | os.PathLike[str],
    shard_bytes: int = SHARD_BYTES,
    overwrite: bool = False,
) -> Path:
    """Write a trace to a file, and return its path; see `Recording.save`.

    The file appears under its name when it is complete, or not at all: it is written beside it
    under another name and put into its place in the end. Of arrays that lie on disk, one at a time
    is in memory; beyond `shard_bytes` of arrays, kept data is put into several files.
    """
    found = damage(trace)
    if found:
        raise TraceFileError(f"cannot save {_shown(path)}: the trace is damaged, {found[0]}")
    try:
        record = json.dumps(encode(trace, _SHARED, _OMIT), separators=(",", ":"), allow_nan=False)
    except Misfit as misfit:
        raise TraceFileError(
            f"cannot save {_shown(path)}: the trace is damaged, {misfit}"
        ) from None
    try:
        target = output(path, "recording", overwrite=overwrite)
    except InputError as error:
        raise TraceFileError(f"cannot save the recording: {error}") from error
    stream = is_stream(target)
    if not stream:
        target = Path(os.path.realpath(target))
    try:
        jobs = _files(trace.blobs, target, record, sys.maxsize if stream else shard_bytes)
        put_all(jobs)
    except OSError as error:
        raise TraceFileError(f"cannot save {_shown(path)}: {_why(error, path)}") from error
    if not stream:
        _remove_others(target, {job.name for job, _ in jobs})
    return Path(path)


def _files(
    blobs: Mapping[str, np.ndarray], target: Path, record: str, shard_bytes: int
) -> list[Job]:
    """Divide a trace into files; the one that is loaded comes last."""
    sizes = {name: _bytes(spec) for name, spec in specs(blobs).items()}
    data = {name: size for name, size in sizes.items() if name.startswith("data/")}
    shards = _pack(data, shard_bytes) if sum(sizes.values()) > shard_bytes else []
    main = {
        "format": FORMAT,
        "version": str(VERSION),
        "record": record,
        "record_sha256": _fingerprint(record),
    }
    if not shards:
        return [(target, partial(_write_tensors, blobs, list(sizes), main))]

    of = {"format": FORMAT, "version": str(VERSION), "shard_of": _fingerprint(record)}
    here = [name for name in sizes if name not in data]
    where = dict.fromkeys(here, target.name)
    files: list[Job] = []
    for number, inside in enumerate(shards, start=1):
        name = _shard_name(target, number, len(shards), _fingerprint(record))
        where |= dict.fromkeys(inside, name)
        files.append((target.with_name(name), partial(_write_tensors, blobs, inside, of)))
    index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
    files.append((_index_path(target), partial(_write_json, index)))
    main["shards"] = str(len(shards))
    files.append((target, partial(_write_tensors, blobs, here, main)))
    return files


def _pack(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Put names into as few groups as their order allows, each of `limit` bytes or one name."""
    groups: list[list[str]] = []
    room = -1
    for name, size in sizes.items():
        if size > room or not groups:
            groups.append([])
            room = limit
        groups[-1].append(name)
        room -= size
    return groups


def _write_json(data: Any, file: BinaryIO) -> None:
    file.write(json.dumps(data, indent=2).encode("ascii"))


def _write_tensors(
    blobs: Mapping[str, np.ndarray], names: Iterable[str], metadata: dict[str, str], file: BinaryIO
) -> None:
    """Write a safetensors file array by array; the library's own writer wants all at once.

    Raises:
        TraceFileError: the header is too large for the format.
    """
    layout = specs(blobs)
    # As the library does: the widest types first, so that every array lies aligned.
    names = sorted(names, key=lambda name: (-_part(layout[name][0]).itemsize, name))
    sums = dict.fromkeys(names, 0)
    file.write(_header(layout, metadata, sums))
    for name in names:
        array = np.asarray(blobs[name], order="C")
        if (array.dtype, array.shape) != layout[name]:
            raise TraceFileError(f"cannot save the trace: {name} is not what it was at first")
        sums[name] = _sum(array)
        file.write(_raw(array))
    file.seek(0)
    file.write(_header(layout, metadata, sums))  # as long as before


def _header(
    layout: Mapping[str, Spec], metadata: Mapping[str, str], sums: Mapping[str, int]
) -> bytes:
    """Return the beginning of a safetensors file that holds the arrays in `sums`, in their order.

    Raises:
        TraceFileError: it is too large for the format.
    """
    sums_text = json.dumps({name: f"{number:08x}" for name, number in sums.items()})
    header: dict[str, Any] = {"__metadata__": {**metadata, "crc32": sums_text}}
    offset = 0
    for name in sums:
        header[name], offset = _entry(layout[name], offset)
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise TraceFileError(
            f"cannot save the trace: its record takes {len(text) / 1e6:.0f} MB, the file format "
            f"allows {MAX_HEADER / 1e6:.0f} MB; record fewer grains, or narrow it to some paths"
        )
    return struct.pack("<Q", len(text)) + text


def _raw(array: np.ndarray) -> memoryview:
    """Return an array's bytes."""
    return np.asarray(array, order="C").reshape(-1).view(np.uint8).data


def _sum(array: np.ndarray) -> int:
    """Return the checksum by which a later reader sees that an array is as it was."""
    return zlib.crc32(_raw(array))


def _entry(spec: Spec, offset: int) -> tuple[dict[str, Any], int]:
    """Return an array's header entry, and the offset after it."""
    dtype, shape = spec
    pair = [2] if dtype in _PART_OF else []
    end = offset + _bytes(spec)
    entry = {
        "dtype": _DTYPES[_part(dtype)],
        "shape": [*shape, *pair],
        "data_offsets": [offset, end],
    }
    return entry, end


def _part(dtype: np.dtype) -> np.dtype:
    """Return the type in which a dtype is stored."""
    return _PART_OF.get(dtype, dtype)


def _bytes(spec: Spec) -> int:
    dtype, shape = spec
    return dtype.itemsize * int(np.prod(shape, dtype=object))


def _remove_others(target: Path, written: set[str]) -> None:
    """Remove what is left of the recording that was replaced, and of saves that were broken off."""
    for path in target.parent.glob(f"{glob.escape(_stem(target))}-*.safetensors"):
        ours = _SHARD.fullmatch(path.name.removeprefix(_stem(target)))
        if ours and path.name not in written and _is_shard(path):
            with contextlib.suppress(OSError):
                path.unlink()
    index = _index_path(target)
    if index.name not in written and _is_index(index):
        with contextlib.suppress(OSError):
            index.unlink()


def _is_shard(path: Path) -> bool:
    with contextlib.suppress(OSError, SafetensorError):
        metadata = safe_open(path, framework="numpy").metadata() or {}
        return metadata.get("format") == FORMAT and "shard_of" in metadata
    return False


def _is_index(path: Path) -> bool:
    """Whether a file is an index as `save` writes it, of shards with its name."""
    try:
        names = set(json.loads(path.read_bytes())["weight_map"].values())
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return False
    stem = _stem(path.with_name(path.name.removesuffix(".index.json")))
    return any(isinstance(n, str) and _SHARD.fullmatch(n.removeprefix(stem)) for n in names)


# --- loading --------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Trace:
    """Read a trace from a file, as `tracer.load` does.

    A sound file whose record says something in two ways is read, with a note that tells what.
    """
    shown = _shown(path)
    main = _opened(path, shown)
    record = _record(main.metadata, shown)
    try:
        document = json.loads(record, parse_constant=_no_constant)
        fields = decode(document, Trace, _SHARED, _OMIT)
    except (Misfit, ValueError, RecursionError) as error:
        raise _damaged(shown, str(error)) from None
    shards = _opened_shards(main, record, shown)
    trace = Trace(**fields, blobs=DiskBlobs([main, *shards], fields["tensors"], shown))
    found = damage(trace)
    if found:
        raise _damaged(shown, found[0])
    told = tuple(f"the recording contradicts itself: {each}" for each in contradictions(trace)[:1])
    return replace(trace, notes=(*trace.notes, *told)) if told else trace


@dataclass(frozen=True)
class _Opened:
    """What a file's header says.

    Attributes:
        path: where it lies, links followed.
        file: the library's reader, which keeps the file mapped: replaced or removed under its
            name, it can still be read.
        stamp: what changes when the file is written to.
        metadata: the text entries.
        specs: dtype and shape of each array as it is stored.
        sums: the checksum of each array.
    """

    path: Path
    file: Any
    stamp: tuple[int, ...]
    metadata: dict[str, str]
    specs: dict[str, Spec]
    sums: dict[str, str]


def _opened(path: str | os.PathLike[str], shown: str) -> _Opened:
    """Read a file's header.

    Raises:
        TraceFileError: there is no such file, or it is not one of ours.
    """
    try:
        if "\0" in os.fspath(path):
            raise FileNotFoundError(errno.ENOENT, "the name has a zero byte in it")
        target = Path(os.path.realpath(path))
        stamp = _stamp(target)
        if not stat.S_ISREG(target.stat().st_mode):
            kind = "a folder" if target.is_dir() else "no regular file"
            raise TraceFileError(f"{shown} is {kind}; give the file that `trace.save` wrote")
        file = safe_open(target, framework="numpy")
        metadata = file.metadata() or {}
        _check_origin(metadata, shown)
        layout = {name: _spec(file.get_slice(name)) for name in file.keys()}  # noqa: SIM118
        sums = _sums(metadata, layout, shown)
        return _Opened(target, file, stamp, metadata, layout, sums)
    except FileNotFoundError as error:
        raise TraceFileError(f"there is no file {shown}{_neighbours(path)}") from error
    except OSError as error:
        raise TraceFileError(f"cannot read {shown}: {error.strerror or error}") from error
    except KeyError as error:
        raise _damaged(shown, f"it holds an array of type {error}, as no trace does") from error
    except SafetensorError as error:
        if _begins_like_ours(target):
            raise _damaged(shown, "it is incomplete or its header is broken") from error
        raise TraceFileError(
            f"{shown} is not a trace file; give one that `trace.save` or `tracer run -o` wrote"
        ) from error


def _check_origin(metadata: Mapping[str, str], shown: str) -> None:
    """Raise unless the metadata says that the file is ours, in a version that is known."""
    if metadata.get("format") != FORMAT:
        raise TraceFileError(
            f"{shown} is a safetensors file, but holds no trace; "
            "give one that `trace.save` or `tracer run -o` wrote"
        )
    version = metadata.get("version", "")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise _damaged(shown, f"its version is {version[:20]!r}")
    if int(version) > VERSION:
        raise TraceFileError(
            f"{shown} was written by a newer rcnn-tracer (file version {version}, this one reads "
            f"up to {VERSION}); upgrade rcnn-tracer"
        )


def _record(metadata: Mapping[str, str], shown: str) -> str:
    if "shard_of" in metadata:
        raise TraceFileError(
            f"{shown} is one part of a trace; give the file without the number at its end"
        )
    if "record" not in metadata:
        raise _damaged(shown, "it holds no record")
    if metadata.get("record_sha256") != _fingerprint(metadata["record"]):
        raise _damaged(shown, "its record is not what was written")
    return metadata["record"]


def _sums(metadata: Mapping[str, str], layout: Mapping[str, Spec], shown: str) -> dict[str, str]:
    """Return the checksum of each array, as text."""
    try:
        sums = json.loads(metadata.get("crc32", ""))
    except (ValueError, RecursionError):
        sums = None
    if type(sums) is not dict or set(sums) != set(layout):
        raise _damaged(shown, "the checksums of its arrays are missing")
    return sums


def _spec(stored: Any) -> Spec:
    """Return dtype and shape of a stored array.

    Raises:
        KeyError: of a type that no trace has.
    """
    return _NUMPY[stored.get_dtype()], tuple(stored.get_shape())


def _opened_shards(main: _Opened, record: str, shown: str) -> list[_Opened]:
    """Read the headers of the further files that a trace lies in."""
    if "shards" not in main.metadata:
        return []
    count = main.metadata["shards"]
    if not re.fullmatch("[1-9][0-9]{0,4}", count):
        raise _damaged(shown, f"it lies in {count[:20]!r} files")
    together = "keep the files of a trace together, under the names that they were saved under"
    shards = []
    for number in range(1, int(count) + 1):
        name = _shard_name(main.path, number, int(count), _fingerprint(record))
        if not main.path.with_name(name).exists():
            raise TraceFileError(
                f"{shown} lies in several files, and {_shown(name)} is missing; {together}"
            )
        shard = _opened(main.path.with_name(name), _shown(name))
        if shard.metadata.get("shard_of") != _fingerprint(record):
            raise TraceFileError(f"{_shown(name)} is not a part of {shown}; {together}")
        shards.append(shard)
    return shards


class DiskBlobs(Mapping[str, np.ndarray]):
    """The arrays of a trace file, each read anew when it is asked for.

    Attributes:
        specs: dtype and shape of each array, known without reading it.
    """

    def __init__(self, files: Iterable[_Opened], states: Iterable[TensorState], shown: str) -> None:
        self._file_of = {name: file for file in files for name in file.specs}
        self._shown = shown
        whole = {f"data/{s.id}": ARRAY_DTYPES.get(s.summary.dtype) for s in states if s.kept}
        self.specs: dict[str, Spec] = {
            name: _joined(file.specs[name], whole.get(name)) for name, file in self._file_of.items()
        }

    def __getitem__(self, name: str) -> np.ndarray:
        """Read an array.

        Raises:
            KeyError: there is none of that name.
            TraceFileError: the array is not what was written.
        """
        file = self._file_of[name]
        try:
            _check_unchanged(file)
            array = file.file.get_tensor(name)
            if f"{_sum(array):08x}" != file.sums[name]:
                raise OSError("the file is damaged there")
        except (OSError, SafetensorError) as error:
            problem = f"cannot read {name} from {self._shown}: {error}; copy or load it again"
            raise TraceFileError(problem) from error
        dtype, shape = self.specs[name]
        found: np.ndarray = array.view(dtype).reshape(shape)
        return found

    def __iter__(self) -> Iterator[str]:
        """Go through the names; reads nothing."""
        return iter(self.specs)

    def __len__(self) -> int:
        """How many arrays there are."""
        return len(self.specs)

    def __contains__(self, name: object) -> bool:
        """Whether there is an array of that name; reads nothing."""
        return name in self.specs

    def __repr__(self) -> str:
        """One line."""
        return f"<{len(self)} arrays in {self._shown}>"


def _joined(stored: Spec, whole: np.dtype | None) -> Spec:
    """Return the spec of an array as it was before complex numbers were taken apart."""
    dtype, shape = stored
    if whole not in _PART_OF or dtype != _PART_OF[whole] or shape[-1:] != (2,):
        return stored
    return whole, shape[:-1]


# --- names and messages ---------------------------------------------------------------------------


_SHARD = re.compile(r"-[0-9a-f]{8}-[0-9]{5}-of-[0-9]{5}\.safetensors")


def _shard_name(target: Path, number: int, count: int, fingerprint: str) -> str:
    return f"{_stem(target)}-{fingerprint[:8]}-{number:05d}-of-{count:05d}.safetensors"


def _stem(target: Path) -> str:
    return target.name.removesuffix(".safetensors")


def _index_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.index.json")


def _fingerprint(record: str) -> str:
    return hashlib.sha256(record.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(path: Path) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_unchanged(file: _Opened) -> None:
    """Raise OSError if the mapped file was written to: reading could end the process."""
    with contextlib.suppress(FileNotFoundError):
        now = _stamp(file.path)
        if now[:2] == file.stamp[:2] and now != file.stamp:
            raise OSError("the file was changed after it was loaded")


def _begins_like_ours(path: Path) -> bool:
    """Tell whether a file that cannot be read was a safetensors file once."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        start = file.read(9)
        return start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] <= MAX_HEADER
    return False


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _damaged(shown: str, problem: str) -> TraceFileError:
    return TraceFileError(f"{shown} is damaged: {problem}; copy it again, or record the run again")


def _shown(path: str | os.PathLike[str]) -> str:
    """Return a path as the user gave it, in quotes; escaped only where it cannot be printed."""
    text = os.fspath(path)
    return f"'{text}'" if text.isprintable() else repr(text)


def _neighbours(path: str | os.PathLike[str]) -> str:
    """Return near names in the same folder, or that there is no such folder."""
    folder = Path(path).parent
    try:
        return near(Path(path).name, sorted(p.name for p in folder.iterdir() if p.is_file()))
    except (OSError, ValueError):
        return f" (nor a folder {_shown(folder)})"


def _why(error: OSError, path: str | os.PathLike[str]) -> str:
    """Say why a file could not be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space or choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission to write there; choose another place"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"there is no folder {_shown(Path(path).parent)}; create it first"
    return f"{error.strerror or error}; choose another name or place"
