"""The blocks of a zarr store in a bucket, and the documents that make a store of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.core.gaps import VALID
from geopatcher.errors import SourceError, TargetError
from geopatcher.targets.bucket.files import BucketFiles
from geopatcher.targets.levels import create_levels
from geopatcher.targets.opened import require_arrays
from geopatcher.targets.pyramid import Found, settle_group
from geopatcher.targets.zarr_store import ZarrBlocks, consolidate, documents_of, tell_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import zarr

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import FinishedTile
    from geopatcher.core.statistics import Statistics
    from geopatcher.formats.buckets import Bucket
    from geopatcher.formats.object_stores import RemoteStore
    from geopatcher.targets.places import BucketUrl

#: What makes a group of what is below it; it is put last.
ROOT = "zarr.json"


@dataclass(frozen=True)
class BucketPlace:
    """A store in a bucket; pickles as its address."""

    url: BucketUrl

    @property
    def bucket(self) -> Bucket:
        """The bucket, with the credentials of this process."""
        load("obstore")  # says which extra brings it
        bucket: Bucket = load("geopatcher.formats.buckets").Bucket(self.url.root, self.url.credentials)
        return bucket

    @property
    def files(self) -> BucketFiles:
        """The objects of the store."""
        return BucketFiles(self.bucket, self.url.key)

    def level(self, number: int) -> BucketPlace:
        """Return an overview level of the store, which is one of its own; the store itself for 0."""
        return BucketPlace(self.url / str(number)) if number else self

    def reader(self, documents: Mapping[str, bytes] | None = None) -> RemoteStore:
        """Return the bucket as zarr reads it; ``documents`` by their keys in the store are not asked for."""
        made: RemoteStore = load("geopatcher.formats.object_stores").RemoteStore(
            self.url.root,
            self.url.credentials,
            {f"{self.url.key}/{name}": content for name, content in (documents or {}).items()},
        )
        return made

    def arrays(self, spec: ResultSpec, store: RemoteStore) -> dict[str, zarr.Array]:
        """Open the arrays of a result.

        Raises
        ------
        TargetError
            One of them is not there, or cannot be opened.

        """
        try:
            return {
                name: load("zarr").open_array(store, path=f"{self.url.key}/{name}", mode="r")
                for name in spec.arrays()
            }
        except (SourceError, OSError, ValueError, KeyError, TypeError) as error:
            raise TargetError(
                f"cannot open {self.url}: {error}; pass overwrite=True (--overwrite) to begin anew"
            ) from error


class BucketBlocks(ZarrBlocks):
    """The blocks of a finished store."""

    def __init__(self, place: BucketPlace, arrays: Mapping[str, zarr.Array], *, counts: bool = False) -> None:
        self.place, self._arrays, files = place, arrays, place.files
        self._writers = self.writers(arrays, files, counts=counts)
        super().__init__(place.url, self._writers, files)

    @classmethod
    def stored(cls, place: BucketPlace, spec: ResultSpec) -> BucketBlocks:
        """Open a finished store.

        Raises
        ------
        TargetError
            It cannot be opened, or does not hold what ``spec`` says.

        """
        arrays = place.arrays(spec, place.reader())
        require_arrays(place.url, arrays, spec)
        return cls(place, arrays)

    @classmethod
    def begun(cls, place: BucketPlace, spec: ResultSpec) -> BucketBlocks:
        """Return the blocks of a store whose documents are not put yet."""
        return cls(place, place.arrays(spec, place.reader(contents_of(spec))))


class BucketSink(BucketBlocks):
    """Puts the blocks of a store that is no store yet: what describes its arrays is put when all are there.

    It pickles as its address and what is made, and opens the bucket where it arrives. Whoever writes looks
    first whether the run it works for still has the target.
    """

    def __init__(self, place: BucketPlace, spec: ResultSpec, lease_key: str, token: str) -> None:
        self._spec, self._lease_key, self._token = spec, lease_key, token
        super().__init__(place, place.arrays(spec, place.reader(contents_of(spec))), counts=True)

    def __reduce__(self) -> tuple[type[BucketSink], tuple[BucketPlace, ResultSpec, str, str]]:
        return (BucketSink, (self.place, self._spec, self._lease_key, self._token))

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Encode tiles and put them.

        Raises
        ------
        TargetError
            The store does not take them, or another run has the target.

        """
        try:
            lease = self.place.bucket.get(self._lease_key)
        except FileNotFoundError:
            lease = b""
        if f'"{self._token}"'.encode() not in lease:
            raise TargetError(f"cannot write {self.path}: the run this was for has ended or was taken over")
        return super().write(tiles)


def contents_of(spec: ResultSpec) -> dict[str, bytes]:
    """Return all of a store but its blocks, by their keys: nothing in it depends on the time or the place."""
    return documents_of(spec).documents.contents()


def finished_documents(
    spec: ResultSpec, sink: BucketBlocks, statistics: Sequence[Statistics | None]
) -> tuple[dict[str, bytes], Found]:
    """Return all of a finished store but its blocks, and what its result came to be."""
    (documents, group, _), found = documents_of(spec), Found(spec)
    if spec.masked:
        found = settle_group(group, sink.files.below(VALID), sink.arrays[VALID], spec)
        if not found.spec.masked:
            del group[VALID]
    tell_statistics(group, found.spec, statistics)
    create_levels(documents, group, found.spec)
    consolidate(documents)
    return documents.contents(), found
