#!/bin/sh
# Set up, then run the tests.
#
#     sh scripts/test.sh [further options of pytest, paths relative to the checkout]
set -eu
unset PYTHONPATH PYTHONHOME || true

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
sh "$root/scripts/setup.sh" test
cd "$root"
# One process for each core, each with one thread.
export OMP_NUM_THREADS=1
exec .venv/bin/python -m pytest -n auto "$@"
