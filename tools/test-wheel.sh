#!/bin/sh
# Build the wheel, install it into a fresh environment, and run the tests on it in a folder that has no src.
# Arguments go to pytest: tools/test-wheel.sh tests/core
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT INT TERM

"${PYTHON:-python3}" -m venv "$place/venv"
python=$place/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$place/dist" "$here"

mkdir "$place/checkout"
cd "$here"
for part in tests docs benchmarks tools README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md CITATION.cff LICENSE Makefile mkdocs.yml pyproject.toml; do
    cp -R "$part" "$place/checkout/"
done
rm -rf "$place/checkout/benchmarks/scratch"
cd "$place/checkout"
"$python" -m pip install --quiet "$(echo "$place"/dist/*.whl)[all]"
"$python" -m pip install --quiet --group test

where=$("$python" -P -c 'import geopatcher; print(geopatcher.__file__)')
case $where in
    "$place"/venv/*) echo "testing $where" ;;
    *) echo "geopatcher is not the installed one but $where" >&2; exit 1 ;;
esac
# What looks at the source tree itself is tested where there is one.
"$python" -m pytest -q -n auto --maxprocesses 4 --dist loadfile \
    --ignore tests/whole/test_packaging.py --ignore tests/whole/test_layout.py \
    --ignore tests/whole/test_architecture.py --ignore tests/whole/test_benchmarks.py "${@:-tests}"
