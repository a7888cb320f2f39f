"""Asks the page's API, as the bot: for a chat, whose changes the audit trail then names."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

BY = "x-openbell-by"  # the header that names the chat and the person; it counts only with the key
TIMEOUT = 10.0  # seconds


class ApiError(Exception):
    """The API did not do it; the message is one line for a person."""


@dataclass(frozen=True)
class ApiClient:
    """The API at an address of this machine, with the key that the supervisor gave its bot."""

    host: str
    port: int
    key: str = field(repr=False)

    def ask(self, path: str, method: str = "GET", body: object = None, by: str = "") -> Mapping[str, Any]:
        """Return the answer's JSON object; ApiError says why there is none."""
        headers = {"Authorization": f"Bearer {self.key}", BY: quote(by)}
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            msg = f"the supervisor did not answer ({type(error).__name__}): nothing may have changed"
            raise ApiError(msg) from None
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise ApiError(str(said.get("error") or said.get("headline") or answer.reason))
        return said  # type: ignore[no-any-return]
