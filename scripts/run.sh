#!/bin/sh
# Set up, then compile an example: estimate, solve, write weights, plan and report.
#
#     sh scripts/run.sh [further options of `pat compile`]
#
# Works from any folder; writes to build/ in the checkout. A second call finds everything cached.
set -eu
unset PYTHONPATH PYTHONHOME || true

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
sh "$root/scripts/setup.sh" run
cd "$root"
exec .venv/bin/pat compile examples/01-shortcut/steer.pat -o build "$@"
