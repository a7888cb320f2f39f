"""Why a strategy's function would not execute, in words that `openbell check` and the start have in common."""

NOT_CALLABLE = 'found no function of that name; allowed: "def {name}(ctx)"'
GENERATOR = 'found "yield" in {name}, so that a call of it executes nothing; allowed: "def {name}(ctx)" without yield'
ASYNC_STREAM = 'found "async def stream"; allowed: "def stream(ctx)", which may call asyncio.run() itself'
ARGUMENTS = 'found a {name} that cannot be called with one argument; allowed: "def {name}(ctx)"'
LAZY = "{name}() returned a {kind}, of which nothing has executed: go through it inside {name}(), with a for loop"
FUNCTION = "{name}() returned a {kind} instead of calling it: call it inside {name}()"
