"""A broker over HTTP, which is told for which occasion an order is: it can tell two orders of one occasion, whatever their ids."""

import json
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path

from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder, Position

ADDRESS = Path(__file__).with_name("address").read_text().strip()
PATIENCE = 3.0  # seconds

occasion = ""  # the bot and the slot of this process's run


class Venue:
    """The model broker, as tests/hosts/accidents/broker.py serves it."""

    def __init__(self, desk: object, market: object, at: datetime) -> None:
        self._at = at
        self.finds_every_order = bool(self._ask("/rules")["finds_every_order"])

    def account(self) -> Account:
        """Return much money."""
        return Account(1_000_000.0, "USD")

    def positions(self) -> dict[str, Position]:
        """Return what was bought."""
        held = float(str(self._ask("/held")["quantity"]))
        return {"AAPL": Position("AAPL", held, 10.0)} if held else {}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id if the broker remembers it."""
        found = self._ask(f"/orders/{client_order_id}")
        return self._placed(found) if found else None

    def submit(self, order: Order) -> PlacedOrder:
        """Place an order; it is filled at once."""
        sent = {"id": order.client_order_id, "quantity": order.quantity, "occasion": occasion}
        return self._placed(self._ask("/orders", sent))

    def cancel(self, client_order_id: str) -> None:
        """Cancel nothing: no order waits."""

    def _ask(self, path: str, sent: dict[str, object] | None = None) -> dict[str, object]:
        body = None if sent is None else json.dumps(sent).encode()
        try:
            with urllib.request.urlopen(f"{ADDRESS}{path}", data=body, timeout=PATIENCE) as answer:
                found: dict[str, object] = json.loads(answer.read())
        except (OSError, ValueError) as error:
            msg = f"the broker gives no answer: {error}"
            raise BrokerError(msg) from error
        return found

    def _placed(self, one: dict[str, object]) -> PlacedOrder:
        quantity, name = float(str(one["quantity"])), str(one["id"])
        return PlacedOrder(name, name, "AAPL", "buy", quantity, "filled", quantity, 10.0, self._at, "")
