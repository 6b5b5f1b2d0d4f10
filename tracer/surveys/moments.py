"""Statistics of many values that are gathered in parts and put together exactly.

Counts are integers and do not depend on the order of the parts, nor do least and largest values.
Mean and spread follow the pairwise formulas of Chan, Golub and LeVeque, *Updating Formulae and a
Pairwise Algorithm for Computing Sample Variances* (Stanford, STAN-CS-79-773, 1979), equation 2.1,
and depend on it only by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class Moments:
    """Statistics of the finite values of C channels.

    Attributes:
        count: int64 [C], how many finite values there were.
        mean: float64 [C]; 0 where there were none.
        spread: float64 [C], the sum of squared distances from the mean.
        low, high: float64 [C], the least and the largest value; inf and -inf where there were none.
    """

    count: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def none(cls, channels: int) -> Moments:
        """Return those of no value."""
        ends = np.full(channels, np.inf), np.full(channels, -np.inf)
        return cls(np.zeros(channels, np.int64), np.zeros(channels), np.zeros(channels), *ends)

    @classmethod
    def of_rows(cls, rows: np.ndarray) -> Moments:
        """Return those that float64 [5, C] holds, in the order of the attributes."""
        count, mean, spread, low, high = rows
        return cls(count.astype(np.int64), mean, spread, low, high)

    def __len__(self) -> int:
        """How many channels there are."""
        return len(self.count)

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the values of both."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * share,
            self.spread + other.spread + apart * apart * (self.count * share),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def __getitem__(self, channels: slice | np.ndarray) -> Moments:
        """Return those of some channels."""
        return self._each(lambda values: values[channels])

    def _each(self, change: Callable[[np.ndarray], np.ndarray]) -> Moments:
        return Moments(*(change(getattr(self, each.name)) for each in fields(self)))

    @property
    def std(self) -> np.ndarray:
        """The unbiased standard deviation, float64 [C]; NaN of fewer than two values."""
        variance = self.spread / np.maximum(self.count - 1, 1)
        return np.where(self.count > 1, np.sqrt(variance), np.nan)

    @property
    def whole(self) -> Moments:
        """The moments of all channels together, as those of one channel."""
        count = self.count.sum(keepdims=True)
        mean = (self.mean * (self.count / np.maximum(count, 1))).sum(keepdims=True)
        spread = (self.spread + self.count * (self.mean - mean) ** 2).sum(keepdims=True)
        return Moments(
            count, mean, spread, self.low.min(keepdims=True), self.high.max(keepdims=True)
        )


def joined(parts: Sequence[Moments]) -> Moments:
    """Return the channels of all parts, one part after the other."""
    if not parts:
        return Moments.none(0)
    names = [each.name for each in fields(Moments)]
    return Moments(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))
