"""The parser of a command's arguments."""

from argparse import ArgumentParser

from openbell.command_list import COMMANDS


def command_parser(name: str, epilog: str | None = None) -> ArgumentParser:
    """Return the parser, with the line of help that the list of commands has."""
    return ArgumentParser(prog=f"openbell {name}", description=COMMANDS[name][1], epilog=epilog)
