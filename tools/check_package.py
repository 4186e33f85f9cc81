"""Build the distribution, look inside, install it, use it: what `make package` does.

The wheel is built from the sdist, as pip does it. What both hold is compared with the tree. The core, without
any extra, is installed into a fresh environment, and has to make, run and check the demo there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
PACKAGES = ("geopatcher", "geotoolz", "geostack")
#: What somebody who has the sdist alone can test and build with.
IN_SDIST = ("LICENSE", "PKG-INFO", "README.md", "CHANGELOG.md", "pyproject.toml", "tools/version.py", "tests")
#: A mistake in the lists of files shows in its size.
MOST_BYTES = {".whl": 3_000_000, ".gz": 5_000_000}


def main() -> None:
    """Build, check, install and use; the first thing that is wrong ends it."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT))
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(DIST.iterdir())))
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    for made in (wheel, sdist):
        size = made.stat().st_size
        require(size < MOST_BYTES[made.suffix], f"{made.name} has {size:,} bytes")
        print(f"{made.name}: {size:,} bytes")
    check_wheel(wheel)
    check_sdist(sdist)
    use(wheel)


def check_wheel(path: Path) -> None:
    """Compare a wheel with the sources: all of them are in it, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    version = path.name.split("-")[1]
    info = f"geopatcher-{version}.dist-info"
    held = {name for name in names if not name.startswith(f"{info}/")}
    require(held == sources(), f"the wheel and src differ: {sorted(held ^ sources())[:5]}")
    for package in PACKAGES:
        require(f"{package}/py.typed" in names, f"{package} says nothing of its types: py.typed is not there")
    require(f"{info}/licenses/LICENSE" in names, "the wheel has no licence")


def sources() -> set[str]:
    """Return the files of the packages that git knows; of a tree without git, all but caches."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        return {name.removeprefix("src/") for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    files = (path for path in (ROOT / "src").rglob("*") if path.is_file())
    return {path.relative_to(ROOT / "src").as_posix() for path in files if "__pycache__" not in path.parts}


def check_sdist(path: Path) -> None:
    """Look for what is needed in an sdist, and for what should not be there."""
    with tarfile.open(path) as archive:
        names = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}
    for wanted in IN_SDIST:
        require(any(f"{name}/".startswith(f"{wanted}/") for name in names), f"the sdist lacks {wanted}")
    stray = [name for name in names if name.startswith((".git/", ".venv", "dist/", "shared/"))]
    require(not stray, f"the sdist holds {stray[:5]}")


def use(wheel: Path) -> None:
    """Install the core alone, say what that takes, and have it make and check the demo."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(sys.executable, "-m", "venv", str(place / "venv"))
        python = place / "venv" / "bin" / "python"
        before, started = size_of(place / "venv"), time.perf_counter()
        run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
        seconds = time.perf_counter() - started
        taken = size_of(place / "venv") - before
        print(f"the core: {taken / 1e6:,.0f} MB in {seconds:.0f} s, by package:")
        site = next((place / "venv" / "lib").glob("python*/site-packages"))
        folders = sorted(((size_of(each), each.name) for each in site.iterdir()), reverse=True)
        print(*(f"{n_bytes / 1e6:8.1f} MB  {name}" for n_bytes, name in folders[:12]), sep="\n")
        run(str(python.with_name("geopatcher")), "demo", "--pixels", "256", cwd=place)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all that a folder holds."""
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


def run(*command: str, cwd: Path = ROOT) -> None:
    """Run a command; end with its status where it fails."""
    done = subprocess.run(command, cwd=cwd, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")


def require(holds: object, otherwise: str) -> None:
    """End where something does not hold."""
    if not holds:
        raise SystemExit(otherwise)


if __name__ == "__main__":
    main()
