#!/bin/sh
# Print the path of a working Python of the version asked for (such as 3.13); fail quietly without one.
# A name on the PATH is not enough: version managers leave shims that start nothing.
set -u
version=$1
program='import sys; print(sys.executable) if "%d.%d" % sys.version_info[:2] == sys.argv[1] else sys.exit(1)'

try() { "$@" -c "$program" "$version" 2>/dev/null; }

try "python$version" && exit 0
try python3 && exit 0
if command -v pyenv >/dev/null 2>&1; then
    for installed in $(pyenv versions --bare 2>/dev/null | grep -E "^$version(\.[0-9]+)?$" | sort -rV); do
        PYENV_VERSION=$installed try "python$version" && exit 0
    done
fi
if command -v uv >/dev/null 2>&1; then
    found=$(uv python find --no-python-downloads "$version" 2>/dev/null) && try "$found" && exit 0
fi
exit 1
