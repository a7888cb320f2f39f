"""The providers' runtimes, as far as they run here: each starts the folder that `make serverless` writes."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deploy.serverless.command import place
from deploy.serverless.function import PROVIDERS, plan
from openbell.manifest import load

ROOT = Path(__file__).parents[2]
# What OpenWhisk's Python launcher does (openwhisk-runtime-python, actionloop): it renames __main__.py, calls main with one
# argument, reads a JSON line from standard input for each call, and writes one to a file descriptor (number 3 there).
LAUNCHER = """
import json, os, sys
sys.path.insert(0, os.getcwd())
from main__ import main
out = os.fdopen(int(sys.argv[1]), "wb")
while line := sys.stdin.readline():
    message = json.loads(line)
    for key, value in message.items():
        if key != "value":
            os.environ["__OW_" + key.upper()] = str(value)
    result = main(message.get("value", {}))
    out.write(json.dumps(result, ensure_ascii=False).encode() + b"\\n")
    out.flush()
"""


def written(target: str, folder: Path, to: Path) -> Path:
    """Write the function's folder, and return where its code lies."""
    function = plan(load(folder), PROVIDERS[target], 256, ["0 * * * *"])
    return place(target, function, folder.parent, to / target)


def openwhisk(code: Path, environment: Mapping[str, str], *events: Mapping[str, object]) -> list[dict[str, object]]:
    """Call a function of DigitalOcean's once for each event, in one instance; return its answers."""
    (code / "__main__.py").rename(code / "main__.py")
    readable, writable = os.pipe()
    command = [sys.executable, "-c", LAUNCHER, str(writable)]
    process = subprocess.Popen(
        command,
        cwd=code,
        env=environment,
        pass_fds=(writable,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(writable)
    lines = "".join(json.dumps({"value": event, "activation_id": "a"}) + "\n" for event in events)
    process.communicate(lines, timeout=60)
    with os.fdopen(readable) as answers:
        return [json.loads(line) for line in answers]


class RuntimeApi:
    """A stub of AWS Lambda's Runtime API: hands out events, takes answers."""

    def __init__(self) -> None:
        self.events: queue.Queue[object] = queue.Queue()
        self.answers: queue.Queue[tuple[str, object]] = queue.Queue()  # ("response" or "error", what)
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                event = api.events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "r1")
                self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-0-0")
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:demo")
                self._send(json.dumps(event).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.answers.put((self.path.rsplit("/", 1)[-1], json.loads(body)))
                self.send_response(202)
                self._send(b"{}")

            def _send(self, body: bytes) -> None:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def awslambda(code: Path, environment: Mapping[str, str], *events: object) -> list[tuple[str, object]]:
    """Invoke a function of AWS's once for each event, in one instance; return its answers and errors."""
    api = RuntimeApi()
    surroundings = {
        **environment,
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "LAMBDA_TASK_ROOT": str(code),
        "AWS_LAMBDA_FUNCTION_NAME": "demo",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "awslambdaric", "handler.handler"], cwd=code, env=surroundings)
    try:
        answers = []
        for event in events:
            api.events.put(event)
            answers.append(api.answers.get(timeout=60))
        return answers
    finally:
        process.kill()
        process.wait(10)
        api.close()
