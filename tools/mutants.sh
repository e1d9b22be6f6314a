#!/bin/sh
# Changes the core in some thousand small ways and sees which of them no test notices; what to
# change and which tests to run is in setup.cfg. Arguments go to `mutmut run`, such as
# 'pyscep.ca.*'. Takes hours; what is done already is not done again.
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

make_venv mutants
pip_install --editable '.[cryptography,test,mutants]'
# Some tests are named after sets, whose order depends on it; a test has to keep its name.
PYTHONHASHSEED=0
export PYTHONHASHSEED
"$venv/bin/mutmut" run "$@"
exec "$venv/bin/mutmut" results
