"""What a function is asked: to run the slots that are due, or one bot now, for a symbol and with parameters of the caller's."""

from collections.abc import Iterable, Mapping
from typing import NoReturn

from openbell.manifest import Bot, Manifest
from openbell.records import dataclass, replace

SCHEDULE = "schedule"
KEYS = ("trigger", "bot", "symbol", "params")
SAYS_WHAT = ("trigger", "bot", "symbol")  # at least one of them is in every call that runs something


class BadRequestError(ValueError):
    """A question that cannot be meant so; one line that says what, where, and what is allowed."""


@dataclass(frozen=True)
class FunctionRequest:
    """A question. Without a bot it is for all slots that are due."""

    bot: Bot | None = None  # with the symbols and parameters that this one run is to have


def understand(manifest: Manifest, body: object) -> FunctionRequest:
    """Return what a call asks for; BadRequestError if a key is unknown or a value has the wrong type."""
    if not isinstance(body, Mapping):
        _refuse("the body", body, f"a JSON object with {_listed(KEYS)}")
    for key in body:
        if key not in KEYS:
            _refuse("the body", key, f"the keys {_listed(KEYS)}")
    trigger = body.get("trigger", "manual")
    if trigger == SCHEDULE:
        if len(body) > 1:
            _refuse("trigger", trigger, "no other key beside it: a schedule runs what is due")
        return FunctionRequest()
    if trigger != "manual":
        _refuse("trigger", trigger, f'"{SCHEDULE}" or "manual"')
    bot = _bot(manifest, body)
    # A call that says nothing is not meant for a strategy: a probe, a browser, a message without content.
    if body.keys().isdisjoint(SAYS_WHAT):
        _refuse("the body", None, f'one of {_listed(SAYS_WHAT)}, as in {{"trigger": "{SCHEDULE}"}}')
    return FunctionRequest(bot)


def _bot(manifest: Manifest, body: Mapping[str, object]) -> Bot:
    bots = [bot for bot in manifest.bots if not bot.is_stream]
    symbols = tuple(dict.fromkeys(symbol for bot in bots for symbol in bot.symbols))
    symbol = body.get("symbol")
    if symbol is not None:
        if symbol not in symbols:
            _refuse("symbol", symbol, f"one of {_listed(symbols)}")
        bots = [bot for bot in bots if symbol in bot.symbols]
    if "bot" in body:
        if body["bot"] not in [bot.id for bot in bots]:
            _refuse("bot", body["bot"], f"one of {_listed(bot.id for bot in bots)}")
        bots = [bot for bot in bots if bot.id == body["bot"]]
    if len(bots) != 1:
        _refuse("bot", None, f"one of {_listed(bot.id for bot in bots)}")
    bot = bots[0]
    return replace(bot, symbols=(str(symbol),) if symbol else bot.symbols, params=_params(bot, body.get("params", {})))


def _params(bot: Bot, given: object) -> Mapping[str, object]:
    if not isinstance(given, Mapping):
        _refuse("params", given, "an object of parameters")
    for name, value in given.items():
        if name not in bot.params:
            _refuse("params", name, f"one of {_listed(bot.params)}" if bot.params else f"none: {bot.id} has none")
        if not _is_like(value, bot.params[name]):
            _refuse(f"params.{name}", value, f"{_kind(bot.params[name])}, as in the manifest")
    return {**bot.params, **given}


def _is_like(value: object, example: object) -> bool:
    """Tell whether a value may stand where the manifest has `example`: the same type, or a whole number for any number."""
    if isinstance(value, bool) or isinstance(example, bool):
        return isinstance(value, bool) and isinstance(example, bool)
    if isinstance(example, float):
        return isinstance(value, int | float)
    return isinstance(value, type(example))


def _kind(example: object) -> str:
    match example:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "a text"
        case _:
            return "a list" if isinstance(example, list | tuple) else "an object"


def _refuse(where: str, found: object, allowed: str) -> NoReturn:
    shown = "nothing" if found is None else f'"{found:.100}"' if isinstance(found, str) else f"{found!r:.100}"
    msg = f"{where}: found {shown}; allowed: {allowed}"
    raise BadRequestError(msg)


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
