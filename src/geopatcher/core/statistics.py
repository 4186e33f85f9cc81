"""Statistics of a band: numbers that are known of all of its cells, and not of a sample."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of the cells of a band that hold data.

    Parameters
    ----------
    minimum, maximum
        The lowest and the highest value: whole numbers of whole cells, without loss.
    mean, deviation
        The mean, and the standard deviation of all cells: that of a population.
    valid_percent
        How much of the band holds data, 0 to 100; `None` where that is not told.
    valid_count
        How many cells hold data; `None` where that is not told.

    """

    minimum: float | int
    maximum: float | int
    mean: float
    deviation: float
    valid_percent: float | None = None
    valid_count: int | None = None

    def __str__(self) -> str:
        """Tell them in a line.

        >>> str(Statistics(0, 2, 0.5, 0.25, 50.0))
        '0 to 2, mean 0.5, standard deviation 0.25; 50 % of the cells hold data'
        """
        share = "" if self.valid_percent is None else f"; {self.valid_percent:.4g} % of the cells hold data"
        low, high = (
            str(end) if isinstance(end, int) else f"{end:.6g}" for end in (self.minimum, self.maximum)
        )
        return f"{low} to {high}, mean {self.mean:.6g}, standard deviation {self.deviation:.6g}{share}"

    def scaled(self, scale: float, offset: float) -> Statistics:
        """Return those of the quantities ``scale * value + offset`` that the values stand for.

        >>> Statistics(0, 100, 40.0, 10.0).scaled(-0.01, 1.0)
        Statistics(minimum=0.0, maximum=1.0, mean=0.6, deviation=0.1, valid_percent=None, valid_count=None)
        """
        low, high = sorted(value * scale + offset for value in (self.minimum, self.maximum))
        return Statistics(
            low,
            high,
            self.mean * scale + offset,
            self.deviation * abs(scale),
            self.valid_percent,
            self.valid_count,
        )
