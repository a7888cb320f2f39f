"""What a version's changelog says that the one here does not."""

import pytest

from deploy.upgrade import command

BEFORE = """\
# Changelog

## [Unreleased]

### Added

- One thing,
  on two lines.

## [0.1.0] - 2026-11-26

### Added

- The first.
"""
RELEASED = BEFORE.replace("## [Unreleased]", "## [Unreleased]\n\n## [0.2.0] - 2026-12-01")


@pytest.mark.parametrize(
    "after,expected",
    [
        (BEFORE, []),
        (RELEASED, []),
        ("", []),
        (
            RELEASED.replace("- One", "- Another.\n- One"),
            ["## [0.2.0] - 2026-12-01", "### Added", "- Another."],
        ),
        (
            RELEASED.replace("  on two lines.\n", "  on two lines.\n\n### Changed\n\n- This,\n  too.\n- And this.\n"),
            ["## [0.2.0] - 2026-12-01", "### Changed", "- This, too.", "- And this."],
        ),
        (
            BEFORE.replace("- One", "- New.\n- One").replace("- The first.", "- The first.\n- A fix of it."),
            ["## [Unreleased]", "### Added", "- New.", "## [0.1.0] - 2026-11-26", "### Added", "- A fix of it."],
        ),
    ],
)
def test_only_what_is_not_known_is_shown(after: str, expected: list[str]) -> None:
    """Below its headings; an entry that has moved to a release is not news."""
    assert command.news(BEFORE, after) == expected
