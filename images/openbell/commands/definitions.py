"""What a module defines, as far as its text tells: nothing is imported."""

import ast
from collections.abc import Iterable

from openbell.strategy import executable_text as text


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
