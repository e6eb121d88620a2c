"""`pat init`."""

from importlib.resources import files
from pathlib import Path

import click

from pattern_lang.cli.output import format_option
from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.names import CannotWrite
from pattern_lang.files import write_atomically

FILES = ("steer.pat", "model.py", "data.py", "train.py", "README.md", "base.safetensors")


@click.command()
@click.argument("folder", metavar="DIR")
@format_option
def init(folder: str, format_: str) -> int:
    """Make a working project to start from. Never overwrites a file."""
    del format_  # Read by the command line itself for every error.
    target = Path(folder)
    existing = [name for name in FILES if (target / name).exists()]
    if existing:
        reason = f"{', '.join(existing)} is already there"
        raise PatternError([CannotWrite(path=folder, reason=reason)])
    template = files("pattern_lang.cli") / "template"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            write_atomically(target / name, (template / name).read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise PatternError([CannotWrite(path=folder, reason=reason)]) from None
    click.echo(f"wrote {len(FILES)} files to {folder}; next: pat compile {target / 'steer.pat'}")
    return 0
