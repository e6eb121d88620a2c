"""The command line: thin over the driver."""

from pattern_lang.cli.app import main

__all__ = ["main"]
