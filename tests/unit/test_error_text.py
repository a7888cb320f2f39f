"""Exceptions in one line: the type and the message lead."""

import pytest

from openbell.error_text import error_text


def raised(code: str) -> BaseException:
    """Return what the code raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any
        exec(code, {})  # noqa: S102 - our own code
    return caught.value


@pytest.mark.parametrize(
    "code, text",
    [
        ("raise ValueError('no bars')", "ValueError: no bars"),
        ("raise ValueError", "ValueError"),
        ("{}['AAPL']", "KeyError: 'AAPL'"),
        ("raise ValueError('bad …\\nsecond line\\n\\n  third')", "ValueError: bad … | second line | third"),
        ("e = ValueError('x'); e.add_note('while processing AAPL'); raise e", "ValueError: x (note: while processing AAPL)"),
        ("try: 1 / 0\nexcept ZeroDivisionError as e: raise ValueError('x') from e", "ValueError: x (caused by ZeroDivisionError: division by zero)"),
        ("try: 1 / 0\nexcept ZeroDivisionError: raise ValueError('x')", "ValueError: x (caused by ZeroDivisionError: division by zero)"),
        ("try: 1 / 0\nexcept ZeroDivisionError: raise ValueError('x') from None", "ValueError: x"),
        ("raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])", "ExceptionGroup: two (2 sub-exceptions) (ValueError: a; KeyError: 'b')"),
        ("class E(Exception):\n def __str__(self): raise RuntimeError\nraise E", "E: [its message cannot be shown]"),
        ("e = ValueError('ring'); e.__cause__ = e; raise e", "ValueError: ring"),
        ("import json; json.loads('x')", "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        ("compile('a b', 'f', 'exec')", "SyntaxError: invalid syntax"),
    ],
)  # fmt: skip
def test_an_error_keeps_its_meaning(code: str, text: str) -> None:
    """Whatever an author adds to it."""
    assert error_text(raised(code)).removeprefix("builtins.") == text


def test_a_long_message_is_cut() -> None:
    """Megabytes become a page."""
    assert len(error_text(ValueError("x" * 10_000_000))) < 3_000
