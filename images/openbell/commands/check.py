"""`openbell check`: validate strategies without importing them."""

import argparse
import ast
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from openbell.manifest import load_all, strategy_folders
from openbell.strategy import executable_text as text
from openbell.strategy.loader import functions


def main(arguments: Sequence[str]) -> int:
    """Print every problem as one line; return 1 if there is one."""
    parser = argparse.ArgumentParser(prog="openbell check", description="validate strategies without importing them")
    parser.add_argument(
        "--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies' folders"
    )
    folder: Path = parser.parse_args(arguments).strategies
    if not folder.is_dir():
        print(f"{folder}: no such folder: name the strategies' folder with --strategies", file=sys.stderr)
        return 1
    manifests, errors = load_all(folder)
    problems = [str(problem) for error in errors for problem in error.problems]
    needed = {manifest.name: functions(manifest) for manifest in manifests}
    problems += [
        problem for one in strategy_folders(folder) for problem in code_problems(one, needed.get(one.name, ("run",)))
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    bots = sum(len(manifest.bots) for manifest in manifests)
    print(f"{len(manifests)} strategies with {bots} bots: no problems")
    return 0


def code_problems(folder: Path, needed: Iterable[str]) -> list[str]:
    """Return what is wrong with a strategy's code as far as can be seen without running it, one line each."""
    shown = f"{folder.name}/strategy.py"
    try:
        tree = ast.parse((folder / "strategy.py").read_bytes(), filename=shown)
    except FileNotFoundError:
        return [f'{shown}: file: found no such file; allowed: a module with a function "def run(ctx)"']
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        return [f"{shown}: file: found {error}; allowed: a Python module that compiles"]
    found = definitions(tree.body)
    reasons = {name: found.get(name, text.NOT_CALLABLE.format(name=name)) for name in needed if "*" not in found}
    return [f"{shown}: {name}: {reason}" for name, reason in reasons.items() if reason]


def definitions(body: Iterable[ast.stmt]) -> dict[str, str]:
    """Return the names that a module's statements define, each with why it could not be run as a strategy, or "".

    What only running the module would tell counts as good; "*" stands for an import of names that are not seen here.
    """
    found: dict[str, str] = {}
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found[node.name] = "" if node.decorator_list else _refusal(node)
            case ast.ClassDef():
                found[node.name] = ""
            case ast.ImportFrom() | ast.Import():
                found |= {alias.asname or alias.name: "" for alias in node.names}
            case ast.Assign():
                names = [name for target in node.targets for name in ast.walk(target)]
                found |= {name.id: "" for name in names if isinstance(name, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                found[name] = ""
            case _:  # if, try, with, for, while, match: what stands inside them is the module's own
                for block in ("body", "orelse", "finalbody", "handlers", "cases"):
                    found |= definitions(getattr(node, block, ()))
    return found


def _refusal(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return why a call of the function would not execute it, or an empty string."""
    if _yields(node.body):
        return text.GENERATOR.format(name=node.name)
    if isinstance(node, ast.AsyncFunctionDef) and node.name == "stream":
        return text.ASYNC_STREAM
    most = len(node.args.posonlyargs) + len(node.args.args)
    least = most - len(node.args.defaults)
    takes_one = least <= 1 and (most >= 1 or node.args.vararg is not None) and None not in node.args.kw_defaults
    return "" if takes_one else text.ARGUMENTS.format(name=node.name)


def _yields(nodes: Iterable[ast.AST]) -> bool:
    """Tell whether a yield stands there, outside of functions and classes within."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return any(
        isinstance(node, ast.Yield | ast.YieldFrom)
        or (not isinstance(node, scopes) and _yields(ast.iter_child_nodes(node)))
        for node in nodes
    )
