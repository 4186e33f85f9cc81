"""What can be refused before the first pixel: sizes, and numbers of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geopatcher.operators.models.protocol import Described
    from geopatcher.operators.models.record import ModelRecord


def check_size(size: tuple[int, int], record: ModelRecord, per_pixel: bool) -> None:
    """Refuse patches of a size a model cannot take.

    Raises
    ------
    ValueError
        Says which sizes it takes.

    Examples
    --------
    >>> from geopatcher.operators.models.record import ModelRecord
    >>> check_size((256, 250), ModelRecord(multiple=32), False)
    Traceback (most recent call last):
    ValueError: patches of 256x250 pixels: height and width must be multiples of 32, such as 224 or 256

    """
    if per_pixel:
        return
    if record.size not in (None, size):
        raise ValueError(
            f"patches of {size[0]}x{size[1]} pixels: the model takes {record.size[0]}x{record.size[1]} only, "
            f"so give a size (--size) that is that with its margin on both sides"
        )
    step = max(record.multiple, record.output_scale.denominator)
    for divisor in (record.multiple, record.output_scale.denominator):
        odd = next((length for length in size if length % divisor), None)
        if odd is not None:
            below = odd // step * step
            near = f"{below} or {below + step}" if below else f"{step}"
            raise ValueError(
                f"patches of {size[0]}x{size[1]} pixels: height and width must be multiples of {divisor}, "
                f"such as {near}"
            )


def expected_outputs(record: ModelRecord, known: Described) -> int | None:
    """Return the bands of the result, ``None`` where they are not known.

    One band may stand for two classes, and for any number of them as labels.

    Raises
    ------
    ValueError
        There are other numbers of classes and of bands.

    """
    n_classes, n_made = len(record.classes), known.n_outputs
    if n_classes and n_made not in (None, 1, n_classes):
        names = ", ".join(one.name for one in record.classes)
        raise ValueError(f"the model returns {n_made} bands, and there are {n_classes} classes ({names})")
    return n_classes or n_made
