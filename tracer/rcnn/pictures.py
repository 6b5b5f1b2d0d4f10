"""Pictures from files, as the tensors that torchvision's detectors take."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tracer.errors import InputError, near

if TYPE_CHECKING:
    from torch import Tensor


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
    return _tensor(_open(Path(path)), str(path))


def picture_tensor(picture: Image.Image, name: str) -> Tensor:
    """Return one of Pillow's pictures as `load_picture` gives it.

    Raises:
        InputError: its values are of unknown range; says so by its name.
    """
    return _tensor(ImageOps.exif_transpose(picture), name)


def _tensor(upright: Image.Image, name: str) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(_rgb(upright, name).transpose(2, 0, 1)))


def is_turned(picture: Image.Image) -> bool:
    """Whether a viewer swaps a picture's sides, as its EXIF entry says."""
    return picture.getexif().get(0x0112) in (5, 6, 7, 8)


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
        raise InputError(f"there is no picture {str(path)!r}{siblings(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{str(path)!r} is a folder: name a picture file") from None
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(path)) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{str(path)!r} is not a picture that can be read") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's decoders raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the picture {str(path)!r} cannot be read: {reason}") from error


def siblings(path: Path) -> str:
    """Return a hint to the files beside a missing one whose names are near."""
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
