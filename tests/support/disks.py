"""A disk that loses what was not synced, in all the ways that matter.

While it records, it looks at a folder before every step that changes names in it, and at every `fsync`.
What is on the disk for sure, by POSIX and no more: the content a file had when it was synced, and the
names in a folder when that was synced. A renaming is one step: it is there in both folders or in none.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: What `sys.addaudithook` tells of steps that change names or files, before they are taken.
STEPS = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.truncate",
    "shutil.rmtree",
}
#: Who records, of all the process: audit hooks stay for ever.
RECORDING = []


@dataclass(frozen=True)
class State:
    """What is found when the power is back: files with their content and time, folders with ``None``."""

    step: int
    what_is_lost: str
    tree: dict[str, tuple[bytes, int] | None]

    def put_into(self, folder):
        """Make it real."""
        for name, held in self.tree.items():
            path = folder / name
            if held is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held[0])
            os.utime(path, ns=(held[1], held[1]))


@dataclass
class Disk:
    """The folder ``root``, and what of it is on the disk."""

    root: Path
    states: list[State] = field(default_factory=list)
    _files: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    _folders: dict[int, dict[str, int]] = field(default_factory=dict)
    _synced_files: dict[int, bytes] = field(default_factory=dict)
    _synced_folders: dict[int, dict[str, int]] = field(default_factory=dict)
    _steps: list[list[tuple[int, str, int | None]]] = field(default_factory=list)
    _kept_open: dict[int, int] = field(default_factory=dict)
    _n: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _busy: threading.local = field(default_factory=threading.local)
    _seen: set[int] = field(default_factory=set)

    @contextmanager
    def recording(self):
        """Record what happens in the context; what is there before is on the disk."""
        self._look()
        self._synced_files = {inode: content for inode, (content, _) in self._files.items()}
        self._synced_folders = {inode: dict(names) for inode, names in self._folders.items()}
        self._steps.clear()
        real = os.fsync

        def fsync(descriptor):
            with self._lock:
                self.step()
                real(descriptor)
                self._sync(os.fstat(descriptor).st_ino)

        os.fsync = fsync
        RECORDING.append(self)
        try:
            yield self
            self.step()
        finally:
            RECORDING.remove(self)
            os.fsync = real
            for descriptor in self._kept_open.values():
                os.close(descriptor)

    def hear(self, event, arguments):
        if getattr(self._busy, "yes", False) or event not in STEPS:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE):
            return
        if any(
            isinstance(one, str | os.PathLike) and str(one).startswith(str(self.root)) for one in arguments
        ):
            self.step()

    def step(self):
        """Look what has changed, and note what would be left if the power went now."""
        with self._lock:
            self._busy.yes = True
            try:
                self._look()
                self._n += 1
                for lost, state in self._left():
                    key = hash(tuple(sorted((name, held and held[0]) for name, held in state.items())))
                    if key not in self._seen:
                        self._seen.add(key)
                        self.states.append(State(self._n, lost, state))
            finally:
                self._busy.yes = False

    def _look(self):
        folders, files = {}, {}
        waiting = [self.root]
        while waiting:
            folder = waiting.pop()
            try:
                inode, entries = folder.stat().st_ino, list(os.scandir(folder))
            except FileNotFoundError:  # other threads write meanwhile: what is gone is seen at the next step
                continue
            names = folders[inode] = {}
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_ino not in self._kept_open:  # so that its number is not another's
                        self._kept_open[status.st_ino] = os.open(entry.path, os.O_RDONLY)
                    content = None if entry.is_dir() else Path(entry.path).read_bytes()
                except FileNotFoundError:
                    continue
                names[entry.name] = status.st_ino
                if content is None:
                    waiting.append(Path(entry.path))
                else:
                    known = self._files.get(status.st_ino)
                    files[status.st_ino] = (
                        known if known is not None and known[0] == content else (content, status.st_mtime_ns)
                    )
        changes = [
            (inode, name, folders.get(inode, {}).get(name))
            for inode in {*self._folders, *folders}
            for name in {*self._folders.get(inode, {}), *folders.get(inode, {})}
            if self._folders.get(inode, {}).get(name) != folders.get(inode, {}).get(name)
        ]
        if changes:
            self._steps.append(changes)
        self._folders, self._files = folders, self._files | files

    def _sync(self, inode):
        if inode in self._folders:
            for changes in [step for step in self._steps if any(where == inode for where, _, _ in step)]:
                for where, name, held in changes:
                    names = self._synced_folders.setdefault(where, {})
                    names.pop(name, None)
                    if held is not None:
                        names[name] = held
                self._steps.remove(changes)
        else:
            self._synced_files[inode] = self._files[inode][0]

    def _left(self):
        """Yield what may be left."""

        def kept(inode, lost):
            content, mtime = self._files[inode]
            synced = self._synced_files.get(inode, b"")
            if content == synced or lost == "nothing":
                return content, mtime
            if lost == "content, and zeros in its place":
                return synced[: len(content)] + bytes(max(0, len(content) - len(synced))), mtime
            return synced, mtime

        def tree(folders, inode, above, lost):
            for name, held in folders.get(inode, {}).items():
                if held in self._files:
                    yield f"{above}{name}", kept(held, lost)
                else:
                    yield f"{above}{name}", None
                    yield from tree(folders, held, f"{above}{name}/", lost)

        root = self.root.stat().st_ino
        yield "all", dict(tree(self._synced_folders, root, "", "all"))
        for lost in ("content", "content, and zeros in its place", "nothing"):
            yield lost, dict(tree(self._folders, root, "", lost))


def _hear(event, arguments):
    for disk in RECORDING:
        disk.hear(event, arguments)


sys.addaudithook(_hear)
