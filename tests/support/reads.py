"""An array that counts what is read of it."""

from __future__ import annotations

from geopatcher.fields.array_source import ArraySource


class Counting(ArraySource):
    """Counts what is asked of it."""

    reads: list

    def read(self, box):
        self.reads.append(box)
        return super().read(box)


def counting(image):
    """Return a source whose ``reads`` are the boxes that were asked for."""
    source = Counting(image, ArraySource.of(image).domain)
    object.__setattr__(source, "reads", [])
    return source
