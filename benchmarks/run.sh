#!/bin/sh
# run.sh BENCHMARK... - sets up a virtual environment and runs `python -m benchmarks` in it.
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

make_venv bench
# The tree is installed in place, so only a changed setup.cfg has to be installed again.
if ! cmp -s setup.cfg "$venv/installed.cfg"; then
    say "Installing the library and what it is compared with into .venv/bench."
    pip_install --editable '.[cryptography,test]'
    cp setup.cfg "$venv/installed.cfg"
fi
exec "$venv/bin/python" -m benchmarks "$@"
