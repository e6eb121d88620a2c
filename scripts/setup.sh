#!/bin/sh
# Make .venv in this checkout and install the project into it, with python3 and pip alone.
#
#     sh scripts/setup.sh [run|test]
#
# `run` installs what compiling the examples needs, `test` (the default) also what the tests and
# checks need. A later call installs nothing unless pyproject.toml, this script or the place of the
# checkout changed. PYTHON names the interpreter to start from, if python3 is not the one.
set -eu

# Asked for first and by version: left to the project's own dependency, pip takes the newest build,
# which on Linux may bring several gigabytes of GPU libraries.
TORCH=torch==2.13.0

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "failed: $*"; exit 1; }

# The environment has to be its own: settings of the caller's Python do not apply to it.
unset PYTHONPATH PYTHONHOME || true
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv
log=$venv/setup.log
purpose=${1:-test}

case $purpose in
  run) extras=report,examples ;;
  test) extras=report,examples,hf,dev ;;
  *) fail "no such purpose: $purpose (run or test)" ;;
esac

# What an installation depends on. An editable install holds the path of the checkout.
key() {
  { printf '%s\n' "$root" && "$venv/bin/python" -V && cat "$root/pyproject.toml" "$0"; } | cksum
}

is_ready() { [ -f "$venv/ready-$1" ] && [ "$(cat "$venv/ready-$1")" = "$(key 2>&1)" ]; }

# Some installations leave names on the PATH that run nothing, so each candidate is run.
find_python() {
  old=
  if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
  else
    set -- python3 python3.14 python3.13 python3.12 python3.11
  fi
  for python in "$@"; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      return
    fi
    old="$old $python is $version;"
  done
  [ -z "$old" ] || fail "Python 3.11 or newer is needed:$old set PYTHON to a newer one"
  fail "no python3 found (tried: $*): install Python 3.11 or newer, or set PYTHON"
}

make_environment() {
  # A `python` that does not run is left over from an interpreter that has gone.
  if ! "$venv/bin/python" -c '' 2>/dev/null; then
    find_python
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
      fail "$python has no venv module (on Debian and Ubuntu it is the package python3-venv)"
    say "making .venv with $python ($version)"
    "$python" -m venv --clear "$venv" >&2 || fail "$python -m venv could not make $venv"
  fi
  "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$venv has a Python before 3.11: remove that folder and try again"
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
    "$venv/bin/python" -m ensurepip >/dev/null 2>&1 ||
    fail "$venv has no pip: remove that folder and try again"
}

install() {
  what=$1
  say "installing $what$2"
  shift 2
  if ! "$venv/bin/python" -m pip install "$@" >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    if grep -qE 'NewConnection|Timeout|NameResolution|ProxyError|IncompleteRead|Connection ?Reset' "$log"; then
      fail "pip could not reach the package index for $what: is there a network? (log: $log)"
    fi
    fail "pip could not install $what: the reason is above (log: $log)"
  fi
}

is_ready "$purpose" && exit 0
[ "$purpose" = test ] || ! is_ready test || exit 0

make_environment
install "$TORCH" " (once; 200 MB, or several GB where pip finds the GPU build)" "$TORCH"
install "pattern-lang[$extras]" "" -e "$root[$extras]"
key >"$venv/ready-$purpose"
say "ready: $venv"
