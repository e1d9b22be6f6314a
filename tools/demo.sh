#!/bin/sh
# Sets up a virtual environment and shows a certificate being enrolled and renewed on this machine.
# Arguments go to examples/demo.py.
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

make_venv demo
# The tree is installed in place, so only a changed setup.cfg has to be installed again.
if ! cmp -s setup.cfg "$venv/installed.cfg"; then
    say "Installing the library and what it needs into .venv/demo."
    pip_install --editable .
    cp setup.cfg "$venv/installed.cfg"
fi
exec "$venv/bin/python" examples/demo.py "$@"
