"""The controls of an explorer as data, and what it shows for their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

from tracer.errors import InputError, near

Place = tuple[float, float]


@dataclass(frozen=True)
class Slider:
    """A number in a range.

    Attributes:
        name: the keyword that it sets.
        label: what is written beside it.
        low, high, step: the range, both ends included. A step of type float makes it a float.
        value: where it starts.
        live: whether what is shown follows the hand; else it waits until the slider is let go.
    """

    name: str
    label: str
    low: float
    high: float
    value: float
    step: float = 1
    live: bool = True

    def check(self, value: Any) -> float:
        """Return the value.

        Raises:
            InputError: it is no number, or out of range.
        """
        known = f"{self.name} goes from {self.low:g} to {self.high:g}"
        whole = isinstance(self.step, int)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise InputError(f"{known}; found {value!r}")
        number = float(value)
        if not self.low <= number <= self.high or (whole and not number.is_integer()):
            raise InputError(f"{known}{' in whole numbers' if whole else ''}; found {value!r}")
        return int(number) if whole else number


def places(size: tuple[int, int], x: int | None, y: int | None, usual: Place) -> Iterator[Slider]:
    """Yield sliders for a place in a picture of (height, width); if not given, the usual one."""
    for name, most, given, start in zip("xy", size[::-1], (x, y), usual, strict=True):
        value = min(max(round(start if given is None else given), 0), most - 1)
        yield Slider(name, name, 0, most - 1, value)


@dataclass(frozen=True)
class Choice:
    """One of a few.

    Attributes:
        name, label: as for `Slider`.
        options: what is written, and the value that it stands for.
        value: where it starts.
        buttons: whether all options are seen at once.
    """

    name: str
    label: str
    options: tuple[tuple[str, Any], ...]
    value: Any
    buttons: bool = False

    def check(self, value: Any) -> Any:
        """Return the value.

        Raises:
            InputError: it is not among the options.
        """
        return _known(self.name, self.options, value)


@dataclass(frozen=True)
class Several:
    """Any number of many.

    Attributes:
        name, label, options: as for `Choice`.
        value: those that are chosen at the start.
        rows: how many are seen at once.
    """

    name: str
    label: str
    options: tuple[tuple[str, Any], ...]
    value: tuple[Any, ...] = ()
    rows: int = 12

    def check(self, value: Any) -> tuple[Any, ...]:
        """Return the values.

        Raises:
            InputError: one is not among the options.
        """
        if isinstance(value, str):
            value = (value,)
        return tuple(_known(self.name, self.options, each) for each in value)


Control = Slider | Choice | Several


def _known(name: str, options: tuple[tuple[str, Any], ...], value: Any) -> Any:
    for _, known in options:
        if known == value:
            return known
    there = [str(known) for _, known in options]
    some = ", ".join(there[:8]) + (", …" if len(there) > 8 else "")
    raise InputError(f"there is no {name} {value!r}{near(str(value), there)} (there is {some})")


@dataclass(frozen=True)
class Shown:
    """What an explorer shows for some values.

    Attributes:
        html: the text beside the picture.
        picture: JPEG, or nothing where there is only text.
        width: of the picture in pixels.
    """

    html: str
    picture: bytes = b""
    width: int = 0
