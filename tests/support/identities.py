"""Prints what operators in folders are: a child process of the tests of identities.

Standard input is a list of folders, each with a module ``m`` that has an ``op``; standard output the parts
and what is unknown of each. A folder is one of its own: modules of the one before are forgotten.
"""

import importlib
import json
import os
import sys
from pathlib import Path

from geopatcher.identity.operators import identity_of


def look(folder):
    before = set(sys.modules)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    os.chdir(folder)
    try:
        found = identity_of(importlib.import_module("m").op)
        return [dict(found.parts), list(found.unknown)]
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            file = vars(sys.modules[name]).get("__file__") or ""
            if Path(file).is_relative_to(folder):
                del sys.modules[name]


if __name__ == "__main__":
    json.dump([look(folder) for folder in json.load(sys.stdin)], sys.stdout)
