"""`openbell stamp-image`: the last step of a strategy image's build, as root. Its clock and its release become facts of the image."""

import sys
from collections.abc import Sequence
from pathlib import Path

from openbell.command_parser import command_parser
from openbell.manifest import ManifestError, load_named
from openbell.strategy.loader import release
from openbell.strategy_user import user_id


def main(arguments: Sequence[str]) -> int:
    """Set the image's local time from the manifest's zone, add the strategy's user and write the release.

    A manifest that is not valid must not fail the build: the container then says what is wrong where the supervisor
    sees it, instead of never being there.
    """
    parser = command_parser("stamp-image")
    parser.add_argument("strategy")
    parser.add_argument("--folder", type=Path, default=Path("/strategy"))
    parser.add_argument("--root", type=Path, default=Path("/"))
    options = parser.parse_args(arguments)
    try:
        zone = load_named(options.folder / "strategy.toml", options.strategy).timezone
    except ManifestError as error:
        print(
            f"{error}\n{options.strategy}: the image's clock stays at UTC until the manifest is valid", file=sys.stderr
        )
        zone = "UTC"
    local_time = options.root / "etc/localtime"
    local_time.unlink(missing_ok=True)
    local_time.symlink_to(f"/usr/share/zoneinfo/{zone}")
    (options.root / "etc/timezone").write_text(f"{zone}\n")
    _add_user(options.root / "etc", user_id(options.strategy))
    (options.folder / "release").write_text(release(options.folder) + "\n")
    print(f"{options.strategy}: {zone}, release {(options.folder / 'release').read_text().strip()}")
    return 0


def _add_user(etc: Path, number: int) -> None:
    """Add the user as whom the container runs: its id is the strategy's own, its name the same in every image."""
    for file, line in (
        ("passwd", f"strategy:x:{number}:{number}::/nonexistent:/usr/sbin/nologin"),
        ("group", f"strategy:x:{number}:"),
    ):
        with (etc / file).open("a") as users:
            users.write(f"{line}\n")
