"""Pictures and targets from files, as the tensors that torchvision's detectors take."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from tracer.errors import InputError, near

if TYPE_CHECKING:
    from torch import Tensor

Targets = list[dict[str, "Tensor"]]


def sample_photo() -> Path:
    """Return the photograph in matplotlib's sample data: Grace Hopper, 512×600 pixels."""
    from matplotlib import cbook

    return Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


def load_pictures(paths: Iterable[str | Path]) -> list[Tensor]:
    """Load several pictures; see `load_picture`."""
    return [load_picture(path) for path in paths]


def load_picture(path: str | Path) -> Tensor:
    """Load a picture as float32 [3, H, W], RGB in 0–1.

    Orientation is as a viewer shows it (EXIF), transparency is laid on white, grey is repeated
    in three channels, and of an animation the first picture is taken.

    Raises:
        InputError: missing, unreadable, not a picture, too large, or with values of unknown range.
    """
    import torch

    pixels = _rgb(_open(Path(path)), str(path))
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _open(path: Path) -> Image.Image:
    """Open and decode, with what a viewer does about orientation."""
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 megapixels on and refuses from 179 on: the latter is enough.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                picture.load()
                return ImageOps.exif_transpose(picture)
    except FileNotFoundError:
        raise InputError(f"there is no picture {str(path)!r}{_siblings(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{str(path)!r} is a folder: name a picture file") from None
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(path)) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{str(path)!r} is not a picture that can be read") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's decoders raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the picture {str(path)!r} cannot be read: {reason}") from error


def _siblings(path: Path) -> str:
    folder = path.parent
    return near(path.name, (p.name for p in folder.iterdir())) if folder.is_dir() else ""


def _too_large(path: Path) -> str:
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
    return f"the picture {str(path)!r} has more than {limit} megapixels: make it smaller first"


def _rgb(picture: Image.Image, path: str) -> np.ndarray:
    """Return the pixels as float32 [H, W, 3] in 0–1."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        grey = _deep_grey(picture, path)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        on_top = picture.convert("RGBA")
        white = Image.new("RGBA", on_top.size, "white")
        picture = Image.alpha_composite(white, on_top)
    try:
        return np.asarray(picture.convert("RGB"), np.float32) / 255
    except ValueError as error:
        raise InputError(
            f"the picture {path!r} has pixels of kind {picture.mode!r}: save it as RGB"
        ) from error


def _deep_grey(picture: Image.Image, path: str) -> np.ndarray:
    """Return a picture of one channel with more than 8 bits as float32 [H, W] in 0–1."""
    values = np.asarray(picture, np.float32)
    top = 1.0 if picture.mode == "F" else 65535.0
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= top):
        raise InputError(
            f"the picture {path!r} has values from {values.min():g} to {values.max():g}, where "
            f"{'0 to 1' if picture.mode == 'F' else '0 to 65535'} is understood: scale it first"
        )
    found: np.ndarray = values / np.float32(top)
    return found


def load_targets(
    path: str | Path,
    names: Sequence[str | Path],
    sizes: Sequence[tuple[int, int]],
    classes: int | None = None,
) -> Targets:
    """Load the training targets of some pictures.

    Args:
        path: a JSON file, either COCO-style (``images``, ``annotations``, boxes as ``x, y, width,
            height``) or a list of ``{"boxes": [[x1, y1, x2, y2], …], "labels": […]}``, one per
            picture in their order. Crowd annotations are left out.
        names: the pictures' paths; COCO's ``file_name`` is matched by its last part.
        sizes: the pictures' (height, width) in pixels.
        classes: how many classes the model tells apart, background included, if known.

    Returns:
        One dict per picture: ``boxes`` float32 [N, 4] as x1, y1, x2, y2 in pixels of the picture
        as loaded, ``labels`` int64 [N]; where every annotation has them, also ``masks`` uint8
        [N, H, W] and ``keypoints`` float32 [N, K, 3].

    Raises:
        InputError: the file cannot be read, or does not match the pictures.
    """
    content = _read_json(Path(path))
    try:
        if isinstance(content, list):
            entries = _listed(content, len(names))
        else:
            entries = [
                _coco(content, Path(name).name, size)
                for name, size in zip(names, sizes, strict=True)
            ]
        found = [_target(*item) for item in zip(entries, names, sizes, strict=True)]
        _check_labels(found, names, classes)
        return found
    except InputError as error:
        raise InputError(f"targets {str(path)!r}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"targets {str(path)!r} are not COCO-style JSON ({what})") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no targets file {str(path)!r}{_siblings(path)}") from None
    except OSError as error:
        raise InputError(f"targets {str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"targets {str(path)!r} are not JSON: {error}") from error


def _listed(content: list[Any], count: int) -> list[dict[str, Any]]:
    if len(content) != count:
        raise InputError(f"a list of {len(content)} targets does not match {count} pictures")
    return content


def _coco(content: Mapping[str, Any], name: str, size: tuple[int, int]) -> dict[str, Any]:
    """Return one picture's annotations as boxes, labels and what else they all have."""
    image = _coco_image(content["images"], name)
    stated = (image.get("height", size[0]), image.get("width", size[1]))
    if stated != size:
        raise InputError(
            f"{name!r} is {stated[1]}×{stated[0]} there, and the picture is {size[1]}×{size[0]}"
        )
    found = [a for a in content["annotations"] if a["image_id"] == image["id"]]
    found = [a for a in found if not a.get("iscrowd")]
    corners = [[x, y, x + w, y + h] for x, y, w, h in (a["bbox"] for a in found)]
    entry = {"boxes": corners, "labels": [a["category_id"] for a in found]}
    if found and all(isinstance(a.get("segmentation"), list) for a in found):
        entry["masks"] = [_mask(a["segmentation"], size) for a in found]
    if found and all(a.get("keypoints") for a in found):
        entry["keypoints"] = [np.reshape(a["keypoints"], (-1, 3)) for a in found]
    return entry


def _coco_image(images: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    known = [Path(image["file_name"]).name for image in images]
    if known.count(name) == 1:
        return images[known.index(name)]
    if name in known:
        raise InputError(f"{known.count(name)} images are called {name!r}: give each its own name")
    raise InputError(f"no image is called {name!r}{near(name, known)}")


def _mask(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """Fill polygons given as x, y, x, y, …; uint8 [H, W] of 0 and 1."""
    mask = Image.new("1", (size[1], size[0]))
    for polygon in polygons:
        ImageDraw.Draw(mask).polygon(list(polygon), fill=1)
    return np.asarray(mask, np.uint8)


def _target(entry: Mapping[str, Any], name: str | Path, size: tuple[int, int]) -> dict[str, Tensor]:
    import torch

    boxes = torch.from_numpy(np.array(entry["boxes"], np.float32).reshape(-1, 4))
    labels = torch.tensor(entry["labels"], dtype=torch.int64).reshape(-1)
    _check(boxes, entry["labels"], Path(name).name, size)
    extra = {key: entry[key] for key in ("masks", "keypoints") if key in entry}
    dtypes = {"masks": torch.uint8, "keypoints": torch.float32}
    tensors = {k: torch.as_tensor(np.array(v), dtype=dtypes[k]) for k, v in extra.items()}
    return {"boxes": boxes, "labels": labels, **tensors}


def _check(boxes: Tensor, labels: Sequence[Any], name: str, size: tuple[int, int]) -> None:
    """Refuse boxes that torchvision would refuse in the middle of the pass, or that lie outside."""
    if len(boxes) != len(labels):
        raise InputError(f"{name!r} has {len(boxes)} boxes and {len(labels)} labels")
    height, width = size
    for number, (box, label) in enumerate(zip(boxes.tolist(), labels, strict=True)):
        x1, y1, x2, y2 = box
        where = f"box {number} of {name!r}, {[round(v, 2) for v in box]} as x1, y1, x2, y2,"
        if not (x2 > x1 and y2 > y1):
            raise InputError(f"{where} has no area")
        if min(x1, y1) < -1 or x2 > width + 1 or y2 > height + 1:
            raise InputError(f"{where} does not lie in the picture of {width}×{height}")
        if type(label) is not int or label < 1:
            raise InputError(f"box {number} of {name!r} has label {label!r}: they count from 1")


def _check_labels(targets: Targets, names: Sequence[str | Path], classes: int | None) -> None:
    """Refuse labels that the model has no class for."""
    for target, name in zip(targets, names, strict=True):
        largest = int(target["labels"].max()) if len(target["labels"]) else 0
        if classes is not None and largest >= classes:
            raise InputError(
                f"{Path(name).name!r} has label {largest}, and the model knows 1 to {classes - 1}"
            )
