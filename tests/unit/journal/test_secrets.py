"""No secret reaches the journal."""

from openbell.journal import Journal
from tests.unit.journal.conftest import NOW, file_of, texts

# Secrets


def test_secrets_are_cut_out_wherever_they_are(journal: Journal) -> None:
    """In values, in lists, in mappings, in their names and in the names of fields."""
    journal.redact(["sk-12345"])
    fields: dict[str, object] = {
        "text": "a sk-12345 b",
        "some": [{"sk-12345": ("sk-12345",)}],
        "sk-12345": ValueError("sk-12345"),
    }
    journal.write("note", NOW, fields)
    assert "sk-12345" not in file_of(journal).read_text()
    assert texts(journal) == ["a [secret] b"]


def test_the_longest_secret_is_cut_out_first(journal: Journal) -> None:
    """Of a secret that begins with another one nothing stays."""
    journal.redact(["abcdef", "abcdefghij"])
    journal.write("note", NOW, text="abcdefghij abcdef")
    assert texts(journal) == ["[secret] [secret]"]


def test_a_secret_of_several_lines_is_cut_out_of_each(journal: Journal) -> None:
    """A private key is printed line by line."""
    journal.redact(["-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"])
    journal.write("output", NOW, text="MIIEvQIBADANBg")
    assert texts(journal) == ["[secret]"]


def test_short_secrets_stay_words(journal: Journal) -> None:
    """A secret of a few letters would take everyday words with it."""
    journal.redact(["buy", ""])
    journal.write("note", NOW, text="buy")
    assert texts(journal) == ["buy"]
