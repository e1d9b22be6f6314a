#!/bin/sh
# Changes the core in some thousand small ways and sees which of them no test notices: see
# mutants.py, which this runs, with what it needs, in a virtual environment of its own.
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

make_venv mutants
pip_install --editable '.[cryptography,test,mutants]'
exec "$venv/bin/python" tools/mutants.py "$@"
