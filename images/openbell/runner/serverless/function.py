"""A strategy as a function of a cloud: called by a schedule or over HTTP, it runs what is due, answers, and keeps nothing.

What outlives a call (claims, orders, state, the paper account, the journal) is in PostgreSQL, at OPENBELL_DATABASE.
A call may come twice, also at the same time on two machines: a slot runs once. The handlers that `make serverless`
writes only name the provider's way to call; here is what they have in common.
"""

import base64
import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from openbell import clock
from openbell.ledger import KEEP_DAYS
from openbell.manifest import Manifest, load
from openbell.paths import PathError, Paths
from openbell.postgres.address import OLD_VARIABLE, VARIABLE, passwords
from openbell.postgres.control import PostgresControl
from openbell.postgres.database import Database
from openbell.postgres.journal import PostgresJournal
from openbell.postgres.ledger import PostgresLedger
from openbell.postgres.tables import SHARED, SHARED_SCHEMA
from openbell.runner import worker
from openbell.runner.launchers import ForkLauncher
from openbell.runner.report import Failure
from openbell.runner.serverless import response
from openbell.runner.serverless.request import BadRequestError, understand
from openbell.runner.serverless.response import Answer
from openbell.runner.serverless.session import BusyError, LeaseLostError, Session, Store
from openbell.runner.startup import CANNOT_START, captured, reasons, tell_start, tell_that_it_cannot_start
from openbell.strategy import loader
from openbell.strategy.run_state import Run

AHEAD = timedelta(seconds=55)  # a schedule's call waits for slots that lie within its minute
OK, WRONG, NOT_ALLOWED, BUSY, FAILED, UNAVAILABLE = 200, 400, 405, 409, 500, 503  # as HTTP has them
JSON = "application/json"


class CannotRunError(Exception):
    """Nothing was run, and it may help to call again: the provider's own retries are welcome."""


class FunctionResponse(NamedTuple):
    """An answer, and how HTTP would put it."""

    code: int
    body: Answer


class Request(Protocol):
    """What is asked of a request by Flask."""

    method: str
    mimetype: str  # without its parameters

    def get_data(self) -> bytes:
        """Return the body."""


class Function:
    """One strategy's function, made when an instance starts. `folder` holds strategy.toml and strategy.py."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._folder = folder
        self._boot_id = os.urandom(4).hex()
        self._ready: _Ready | None = None
        self._one_call = threading.Lock()  # of this instance; others may be on other machines

    # The providers' ways to call

    def digitalocean(self, event: Mapping[str, object]) -> Answer:
        """Answer a call by DigitalOcean Functions (OpenWhisk): the parameters are mixed with the platform's own."""
        asked = {name: _parsed(name, value) for name, value in event.items() if not _is_openwhisks(name)}
        http = event.get("http")
        if http is None and "__ow_method" not in event:
            return self._invoked(asked, "digitalocean")
        method = http.get("method") if isinstance(http, Mapping) else event.get("__ow_method")
        # The platform has parsed a JSON body and mixed it with the query; with any other body there is nothing to mix.
        answered = self._http(str(method), JSON, lambda: asked, "digitalocean")
        return {"statusCode": answered.code, "body": answered.body}

    def aws(self, event: Mapping[str, object], _context: object = None) -> Answer:
        """Answer an invocation by AWS Lambda: of a schedule or by hand, or of its function URL.

        CannotRunError where another invocation may help, and BadRequestError where the schedule's own input is wrong: both
        fail the invocation, so that the provider retries it and then keeps it where it is found.
        """
        if "requestContext" not in event:
            return self._invoked(event, "aws")
        context, headers = event["requestContext"], event.get("headers")
        http = context.get("http") if isinstance(context, Mapping) else None
        method = http.get("method") if isinstance(http, Mapping) else None
        kind = {str(name).lower(): value for name, value in (headers if isinstance(headers, Mapping) else {}).items()}
        text = str(event.get("body") or "")

        def body() -> object:
            return _json(base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode())

        answered = self._http(str(method), str(kind.get("content-type", JSON)), body, "aws")
        headers = {"content-type": "application/json"}
        return {"statusCode": answered.code, "headers": headers, "body": json.dumps(answered.body)}

    def gcp(self, request: Request) -> tuple[str, int, dict[str, str]]:
        """Answer an HTTP call of a Google Cloud function, by Cloud Scheduler or by a person."""
        answered = self._http(request.method, request.mimetype, lambda: _json(request.get_data()), "gcp")
        return json.dumps(answered.body), answered.code, {"content-type": "application/json"}

    def gcp_event(self, data: object) -> None:
        """Take a CloudEvent of Pub/Sub, whose message is the question; CannotRunError asks to deliver it again.

        A message that cannot be understood would come back for ever: it is acknowledged, and printed for the provider's log.
        """
        message = data.get("message") if isinstance(data, Mapping) else None
        text = message.get("data") if isinstance(message, Mapping) else None
        try:
            asked = _json(base64.b64decode(str(text or ""), validate=True))
        except ValueError as error:
            answered = FunctionResponse(WRONG, response.refusal("error", f"the message: {error}"))
        else:
            answered = self.call(asked, "gcp")
        print(json.dumps(answered.body), flush=True)
        if answered.code == UNAVAILABLE:
            raise CannotRunError(answered.body["error"])

    # What they have in common

    def _invoked(self, asked: object, by: str) -> Answer:
        """Answer an invocation that is not an HTTP call; an error fails it, where failing brings help or attention."""
        answered = self.call(asked, by)
        if answered.code == UNAVAILABLE:
            raise CannotRunError(answered.body["error"])
        if answered.code == WRONG:
            raise BadRequestError(answered.body["error"])
        return answered.body

    def _http(self, method: str, kind: str, body: Callable[[], object], by: str) -> FunctionResponse:
        """Answer a call over HTTP. Only a POST of JSON is a call; what a browser, a probe or a form sends is not."""
        if method.upper() != "POST":
            return FunctionResponse(
                NOT_ALLOWED, response.refusal("error", f"the method: found {method:.20}; allowed: POST")
            )
        if kind.partition(";")[0].strip().lower() != JSON:
            return FunctionResponse(
                WRONG, response.refusal("error", f"the content type: found {kind:.50}; allowed: {JSON}")
            )
        try:
            asked = body()
        except ValueError as error:
            return FunctionResponse(WRONG, response.refusal("error", f"the body: {error}"))
        return self.call(asked, by)

    def call(self, body: object, by: str) -> FunctionResponse:
        """Run what is asked for, and answer."""
        with self._one_call:
            return self._call(body, by)

    def _call(self, body: object, by: str) -> FunctionResponse:
        try:
            ready = self._ready = self._ready or _Ready(self._folder, self._environment, self._boot_id)
            asked = understand(ready.manifest, body)
        except BadRequestError as error:
            return FunctionResponse(WRONG, response.refusal("error", str(error)))
        except CANNOT_START as error:
            return self._unavailable(reasons(error)[0])
        try:
            return ready.run(lambda session: session.run_now(asked.bot, by) if asked.bot else session.run_due(AHEAD))
        except BusyError as error:
            return FunctionResponse(BUSY, response.refusal("busy", str(error)))
        except (*CANNOT_START, LeaseLostError) as error:
            return self._unavailable(reasons(error)[0])

    def _unavailable(self, line: str) -> FunctionResponse:
        # It may be the database that is missing: what the platform keeps of the output is all there is then.
        line = _without_password(line, _address(self._environment))
        print(json.dumps({"event": "error", "level": "error", "stage": "start", "error": line}), flush=True)
        return FunctionResponse(UNAVAILABLE, response.refusal("error", line))


class _Ready:
    """What an instance has in hand once the strategy is imported."""

    def __init__(self, folder: Path, environment: Mapping[str, str], boot_id: str) -> None:
        self.manifest = load(folder)
        url = _url(environment)
        here = Path(tempfile.gettempdir()) / f"openbell-{os.getuid()}"
        name = self.manifest.name
        places = Paths(name, folder, here / "journal", here / "state" / name, here / "control", url)
        places.state.mkdir(parents=True, exist_ok=True)
        self._database = Database(url, SHARED_SCHEMA)
        self._database.make(SHARED)
        ledger = PostgresLedger(url, name, prepare=True)
        journal = PostgresJournal(self._database, places.journal, name, boot_id)
        journal.redact((url, *passwords(url), *_secrets(self.manifest, environment)))
        self._store = Store(ledger, journal, PostgresControl(self._database, name))
        try:
            self._launcher = _launcher(self.manifest, places, journal)
        except loader.StrategyImportError as error:
            tell_that_it_cannot_start(journal, error)
            self._database.close()
            raise
        tell_start(journal, self.manifest, places, "clean")

    def run(self, what: Callable[[Session], None]) -> FunctionResponse:
        """Hold a session, and answer what its runs decided."""
        session = Session(self.manifest, self._store, self._launcher)
        try:
            what(session)
            session.end()
            self._tidy()
            answer = response.of_runs(self.manifest.name, self._store.journal.of_runs(session.run_ids))
            return FunctionResponse(OK if answer["status"] == "ok" else FAILED, answer)
        finally:
            session.give_up()
            # An instance may sleep for hours or for ever: it holds no connection meanwhile.
            self._database.close()

    def _tidy(self) -> None:
        now, ledger = clock.now(), self._store.ledger
        if ledger.fact("tidied on") != f"{now:%Y-%m-%d}":
            ledger.remember("tidied on", f"{now:%Y-%m-%d}")
            ledger.forget_before(now - timedelta(days=KEEP_DAYS))
            self._store.journal.prune(now.date(), KEEP_DAYS)


def _launcher(manifest: Manifest, places: Paths, journal: PostgresJournal) -> ForkLauncher:
    """Import the strategy, here or, if it does not survive a fork, in each run; StrategyImportError if it fails."""
    load_all = partial(loader.load, places.folder, loader.functions(manifest))
    with captured(journal):
        functions = None if manifest.start == "fresh" else load_all()
    worker.warm_up(manifest, places)

    def attempt(run: Run, _: object) -> Failure | None:
        return worker.attempt(manifest, functions or load_all(), places, journal, run)

    return ForkLauncher(attempt, printer=worker.printer(journal))


def _address(environment: Mapping[str, str]) -> str:
    return environment.get(VARIABLE, "") or environment.get(OLD_VARIABLE, "")


def _url(environment: Mapping[str, str]) -> str:
    url = _address(environment)
    if not url:
        msg = f"{VARIABLE} is not set: give the function the address of its PostgreSQL, as its README.md says"
        raise PathError(msg)
    return url


def _secrets(manifest: Manifest, environment: Mapping[str, str]) -> tuple[str, ...]:
    missing = [name for name in manifest.secrets if not environment.get(name)]
    if missing:
        msg = f"the secret {missing[0]} is not set: give it to the function, as its README.md says"
        raise PathError(msg)
    return loader.secrets(manifest, environment)


def _without_password(line: str, url: str) -> str:
    for password in filter(None, passwords(url)):
        line = line.replace(password, "[secret]")
    return line


def _is_openwhisks(name: str) -> bool:
    return name in {"http", "__ow_method"} or name.startswith("__ow_")


def _parsed(name: str, value: object) -> object:
    """Return `params`, which may be JSON in a text, as what it says."""
    if name != "params" or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value  # which is not an object, and is refused as such


def _json(content: bytes) -> object:
    """Return what JSON says; ValueError with one line if it is none."""
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError:
        msg = "found bytes that are no UTF-8; allowed: a JSON object"
    except RecursionError:
        msg = "found JSON that is nested too deeply; allowed: a JSON object"
    except ValueError as error:
        msg = (
            f"found no JSON ({error!s:.80}); allowed: a JSON object"
            if content
            else "found nothing; allowed: a JSON object"
        )
    raise ValueError(msg)
