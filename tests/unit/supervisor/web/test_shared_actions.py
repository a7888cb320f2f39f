"""The page's changes where several hosts share their strategies."""

from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from openbell.supervisor.web import actions


def test_a_change_that_no_loop_would_see_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loops obey the database then, and the page writes files only: it says which command reaches them."""
    monkeypatch.setenv("OPENBELL_DATABASE", "postgresql://u:p@h/d")
    with pytest.raises(HTTPException, match="use make pause") as caught:
        actions._control(tmp_path, "pulse")
    assert caught.value.status_code == 409
