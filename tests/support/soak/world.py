"""The files of a soak: a source, an operator, a target, and runs over them in a process of their own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
import zarr

import killed
from soak.interference import DEAF
from soak.operators import module_of

SHAPE, TILE = (2, 96, 80), 32
SUPPORT = Path(__file__).parents[1]
SERVE = f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); from soak import runner; runner.main()"
#: How long a worker that outlives its parent is given to begin, and to end.
ORPHAN_S = 120
VRT = (
    "<VRTDataset rasterXSize='{1}' rasterYSize='{0}'><GeoTransform>5e5, 10, 0, 5e6, 0, -10</GeoTransform>{2}"
    "</VRTDataset>"
)
VRT_BAND = (
    "<VRTRasterBand dataType='Float32' band='{0}'><SimpleSource><SourceFilename relativeToVRT='1'>scene.tif"
    "</SourceFilename><SourceBand>{0}</SourceBand></SimpleSource></VRTRasterBand>"
)


def first_pixels():
    """Return the pixels everything begins with: whole numbers, so that no rounding is in the way."""
    return np.random.default_rng(3).integers(1, 200, SHAPE).astype("float32")


def source_files(kind, pixels):
    """Return the files of a source with these pixels, by name; what is opened is called ``scene``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "an array":
            np.save(folder / "scene.npy", pixels)
        elif kind == "a zarr store":
            array = zarr.create_array(
                folder / "scene.zarr", shape=SHAPE, chunks=(2, TILE, TILE), dtype="float32", compressors=None
            )
            array[:] = pixels
        else:
            profile = {
                "driver": "GTiff",
                "count": SHAPE[0],
                "height": SHAPE[1],
                "width": SHAPE[2],
                "dtype": "float32",
            }
            profile |= {"transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6), "blockysize": 16}
            with rasterio.open(folder / "scene.tif", "w", **profile) as file:
                file.write(pixels)
        if kind == "a VRT":
            bands = "".join(VRT_BAND.format(band) for band in (1, 2))
            (folder / "scene.vrt").write_text(VRT.format(*SHAPE[1:], bands))
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


#: What of a source is opened, by kind.
SOURCES = {
    "an array": "scene.npy",
    "a zarr store": "scene.zarr",
    "a GeoTIFF": "scene.tif",
    "a VRT": "scene.vrt",
}


@dataclass
class World:
    """A folder with everything in it, and the process that runs over it."""

    source: str
    ending: str
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="soak ")))
    boots: int = 0
    orphans: list = field(default_factory=list)

    def __post_init__(self):
        for name in ("in", "out", "operators", "orphans"):
            (self.folder / name).mkdir()

    @property
    def target(self):
        """Where results go."""
        return self.folder / "out" / f"result{self.ending}"

    def write_source(self, pixels, *, in_place):
        """Let the source have these pixels: the files that differ are replaced, or written over."""
        for prepared, place in self.prepare_edit(pixels):
            if in_place:
                with Path(place).open("r+b") as file:
                    file.write(Path(prepared).read_bytes())
            else:
                Path(prepared).replace(place)

    def prepare_edit(self, pixels):
        """Return files that are to replace those of the source, with their places."""
        edit = []
        for name, content in source_files(self.source, pixels).items():
            place = self.folder / "in" / name
            if place.exists() and place.read_bytes() == content:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            prepared = self.folder / f"prepared {len(edit)}"
            prepared.write_bytes(content)
            edit.append((str(prepared), str(place)))
        return edit

    def write_operator(self, kind, factor):
        """Write the module of the operator."""
        (self.folder / "operators" / "soaked.py").write_text(module_of(kind, factor))

    def run(self, server, options, executor, **request):
        """Run; return what came of it: a word, what was said, and the pixels that were returned."""
        report, answer = self.folder / "report.json", self.folder / "answer.npy"
        report.unlink(missing_ok=True)
        code = server(
            operators=str(self.folder / "operators"),
            source=str(self.folder / "in" / SOURCES[self.source]),
            target=str(self.target),
            options=options,
            executor=executor,
            report=str(report),
            answer=str(answer),
            syncs=str(self.folder / "syncs"),
            boot=f"boot {self.boots}",
            **request,
        )
        if not report.exists():
            assert code == -signal.SIGKILL, f"the run ended with {code}"
            return "killed", "", None
        said = json.loads(report.read_text())
        return said["ended"], said["message"], np.load(answer) if said["ended"] == "right" else None

    def identity(self):
        """Return what tells the result at the target from one that replaces it; ``None`` for nothing."""
        return self.target.stat().st_ino if self.target.exists() else None

    def visible(self):
        """Return the pixels of what is at the target, read by nobody of ours; ``None`` for nothing."""
        if not self.target.exists():
            return None
        if self.ending == ".zarr":
            return np.asarray(zarr.open_group(self.target, mode="r")["data"][...])
        with rasterio.open(self.target) as file:
            return file.read()

    def left_beside(self):
        """Return the names in the folder of the target."""
        return sorted(path.name for path in (self.folder / "out").iterdir())

    def pieces(self):
        """Return the files of the finished result that hold pixels."""
        if self.ending == ".tif":
            return [self.target]
        return sorted(path for path in (self.target / "data" / "c").rglob("*") if path.is_file())

    # -- workers that outlive their parent --------------------------------------------------------

    def orphan(self, server, options, **request):
        """Run on processes; kill the parent while a worker is in the midst of a row. Return how it ended."""
        folder = self.folder / "orphans" / str(len(list((self.folder / "orphans").iterdir())))
        folder.mkdir()
        ended = self.run(
            server, options, "processes", environment={DEAF: str(folder)}, die_with=str(folder), **request
        )
        self.orphans.append(folder)
        return ended

    def wake(self):
        """Let the orphans write what they have to write; end them when they are done."""
        for folder in self.orphans:
            (folder / "gate").touch()
        for pid in self._orphan_pids():
            wait_until_idle(pid)
        self.end_orphans()

    def end_orphans(self):
        """Kill the orphans."""
        for pid in self._orphan_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: not is_alive(pid))
        self.orphans.clear()

    def _orphan_pids(self):
        return [int(path.name.split()[1]) for folder in self.orphans for path in folder.glob("waits *")]

    # -- power ------------------------------------------------------------------------------------

    def lose_power(self, seed):
        """Lose of the files at the target what was not synced, one way or another; the system starts anew."""
        self.end_orphans()
        chance = random.Random(seed)  # noqa: S311 - to be drawn again, not to be secret
        log = self.folder / "syncs"
        synced = {}
        for line in log.read_text().splitlines() if log.exists() else []:
            inode, size, changed = map(int, line.split())
            synced.setdefault(inode, set()).add((size, changed))
        for path in sorted((self.folder / "out").rglob("*")):
            if path.is_file():
                lose(path, synced.get(path.stat().st_ino, set()), chance)
        self.boots += 1

    def close(self):
        """Remove everything."""
        self.end_orphans()
        shutil.rmtree(self.folder, ignore_errors=True)


def lose(path, synced, chance):
    """Lose what of a file was not synced: all of it, its end, its content, or nothing."""
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) in synced:
        return
    kind = chance.choice(["kept", "gone", "empty", "cut", "zeros"])
    safe = max((size for size, _ in synced if size < status.st_size), default=0)  # of what was appended to
    if kind == "gone" and not synced:
        path.unlink()
    elif kind == "cut":
        os.truncate(path, chance.randint(safe, status.st_size))
    elif kind in ("gone", "empty", "zeros"):
        os.truncate(path, safe)
        if kind == "zeros":
            os.truncate(path, status.st_size)


def wait_until(condition, seconds=ORPHAN_S):
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.02)


def processor_time(pid):
    """Return what a process has used of processors, in ticks; ``None`` when it has ended."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else int(rest[10]) + int(rest[11])


def is_alive(pid):
    """Whether a process has not ended."""
    return processor_time(pid) is not None


def wait_until_idle(pid):
    """Wait until a process has ended, or does nothing any more."""
    known, since = processor_time(pid), time.monotonic()
    while known is not None and time.monotonic() - since < 1.0:
        time.sleep(0.05)
        used = processor_time(pid)
        if used != known:
            known, since = used, time.monotonic()


def new_server():
    """Start the process that runs."""
    return killed.Server("-c", SERVE)
