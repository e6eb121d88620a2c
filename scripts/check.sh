#!/bin/sh
# Set up, then run the linter, the formatter and the type checker; all three even if one fails.
#
#     sh scripts/check.sh
set -eu
unset PYTHONPATH PYTHONHOME || true

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
sh "$root/scripts/setup.sh" test
cd "$root"

failed=
check() {
  printf 'check: %s\n' "$*"
  .venv/bin/python -m "$@" || failed="$failed \"$*\""
}
check ruff check .
check ruff format --check .
check mypy --strict
if [ -n "$failed" ]; then
  printf 'check: failed:%s\n' "$failed" >&2
  exit 1
fi
