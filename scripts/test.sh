#!/bin/sh
# Set up, then run the tests.
#
#     sh scripts/test.sh [further options of pytest, paths relative to the checkout]
set -eu
unset PYTHONPATH PYTHONHOME || true

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
sh "$root/scripts/setup.sh" test
cd "$root"
exec .venv/bin/python -m pytest "$@"
