#!/bin/sh
# Run the tests with the oldest versions of all that pyproject.toml names a lower bound of, in an environment of its own.
# Arguments go to pytest: tools/test-oldest.sh tests/core
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT INT TERM

"${PYTHON:-python3}" -m venv "$place/uv"
"$place/uv/bin/python" -m pip install --quiet --disable-pip-version-check uv
uv=$place/uv/bin/uv
"$uv" venv --quiet --python "${PYTHON:-python3}" "$place/venv"
python=$place/venv/bin/python

cd "$here"
"$uv" pip install --quiet --python "$python" --resolution lowest-direct --only-binary :all: --no-binary geopatcher \
    --reinstall-package geopatcher '.[all,sklearn]'
# What the tests need is as new as it goes beside them; they multiply transforms as affine 3 wants it, geopatcher does not.
"$uv" pip freeze --python "$python" | "$python" -c '
import re, sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
asked = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
names = {re.match("[A-Za-z0-9-]+", each)[0].lower() for each in asked for each in [each.replace("_", "-")]}
sys.stdout.writelines(line for line in sys.stdin if line.partition("==")[0].lower().replace("_", "-") in names - {"affine"})
' > "$place/pins.txt"
"$uv" pip install --quiet --python "$python" --constraint "$place/pins.txt" --upgrade-package affine affine --group test grimp
cat "$place/pins.txt"
"$python" -m pytest -q -p no:cacheprovider -n auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile \
    -m "not once" "${@:-tests}"
