"""`pat`: its verbs, and what becomes of everything that can go wrong in them."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from pattern_lang import __version__
from pattern_lang.cli.output import Output
from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.internal import InternalError

INTERRUPTED = 130
USAGE = 2
VERBS = {
    "calibrate": "calibrate",
    "check": "check",
    "compile": "compile_",
    "debug": "debug",
    "explain": "explain",
    "fmt": "fmt",
    "info": "info",
    "init": "init",
    "status": "status",
    "study": "study",
    "train": "train",
}
"""Each verb, in the module of its name, and what it is called there."""


class Verbs(click.Group):
    """Imports a verb when it is asked for: `pat check` does not wait for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, or None."""
        if cmd_name not in VERBS:
            return None
        found = getattr(import_module(f"pattern_lang.cli.{cmd_name}"), VERBS[cmd_name])
        assert isinstance(found, click.Command)
        return found


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="pat")
def pat() -> None:
    """Say which internal structure a network should have; get the data weights that move it there.

    Exit status: 0 fine; 1 errors in the spec or its inputs; 2 usage; 3 infeasible or unbounded;
    4 unsound estimate; 70 a bug in pat.

    Completion in the shell: eval "$(_PAT_COMPLETE=bash_source pat)", or zsh_source, fish_source.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `pat` and exit with its status. No traceback for anything a user did."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: list[str]) -> int:
    """Run `pat` with some arguments and return the exit status."""
    try:
        status = pat.main(arguments, prog_name="pat", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command goes on from here", err=True)
        return INTERRUPTED
    except PatternError as error:
        Output.of(arguments).diagnostics(error.diagnostics)
        return error.exit_status
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("PAT_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        Output.of(arguments).diagnostics([InternalError(what=what).diagnostic()])
        return InternalError.exit_status
    return status if isinstance(status, int) else 0
