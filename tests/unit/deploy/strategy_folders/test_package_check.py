"""What `make check` says about a strategy's packages."""

from pathlib import Path

import pytest

from deploy.strategy_folders.package_check import package_problems, uncovered

LOCK = "numpy==2.3.1 ; python_version >= '3.11' \\\n    --hash=sha256:00\npandas==2.3.0 \\\n    --hash=sha256:00\n"


def problems(folder: Path, code: str = "", wanted: str | None = None, lock: str | None = None) -> list[str]:
    """Return what is said about a strategy with these files."""
    strategy = folder / "idea"
    strategy.mkdir()
    (strategy / "strategy.py").write_text(code)
    if wanted is not None:
        (strategy / "requirements.in").write_text(wanted)
    if lock is not None:
        (strategy / "requirements.txt").write_text(lock)
    return list(package_problems(strategy))


def test_a_strategy_without_packages_has_no_problem(tmp_path: Path) -> None:
    """The standard library and what every image ships need no lock."""
    assert problems(tmp_path, "import json, schedule\nfrom openbell.strategy import Context\nimport pytz\n") == []


def test_requirements_without_a_lock_are_told(tmp_path: Path) -> None:
    """The image would be built without them."""
    assert problems(tmp_path, "import numpy\n", "numpy\n") == [
        "idea/requirements.in: has no lock: run `make lock STRATEGY=idea`, which writes idea/requirements.txt"
    ]


@pytest.mark.parametrize(
    "wanted,words",
    [
        ("numpy>=3\npandas\n", "has numpy 2.3.1, and requirements.in asks for numpy>=3"),
        ("numpy\nscikit-learn\n", "does not have scikit-learn, and requirements.in asks for scikit-learn"),
        ("NumPy==2.3.0\n", "has NumPy 2.3.1, and requirements.in asks for NumPy==2.3.0"),
    ],
)
def test_a_stale_lock_is_told(tmp_path: Path, wanted: str, words: str) -> None:
    """What the lock has is not what is asked for."""
    assert problems(tmp_path, "", wanted, LOCK) == [f"idea/requirements.txt: {words}: run `make lock STRATEGY=idea`"]


def test_a_lock_that_fits_is_no_problem(tmp_path: Path) -> None:
    """Comments, options and markers are read as pip reads them."""
    wanted = "# for speed\nnumpy>=2,<3 # arrays\n-c other.txt\npandas\nwinloop ; sys_platform == 'win32'\n"
    assert problems(tmp_path, "import numpy.linalg\nimport pandas as pd\n", wanted, LOCK) == []


def test_a_line_that_names_no_package_is_told(tmp_path: Path) -> None:
    """With what was found."""
    assert problems(tmp_path, "", "numpy pandas\n", LOCK) == [
        "idea/requirements.in: found 'numpy pandas'; allowed: a package such as numpy>=2, one a line"
    ]


@pytest.mark.parametrize(
    "code,module,line",
    [
        ("import pandas\n", "pandas", 1),
        ("x = 1\nfrom sklearn.svm import SVC\n", "sklearn", 2),
        ("def run(ctx):\n    import talib\n", "talib", 2),
        ("class A:\n    try:\n        import ccxt\n    finally:\n        pass\n", "ccxt", 3),
    ],
)
def test_an_import_that_no_lock_has_is_told(tmp_path: Path, code: str, module: str, line: int) -> None:
    """Every import is found, with file and line."""
    assert problems(tmp_path, code) == [
        f"idea/strategy.py:{line}: imports {module}, which no lock has: `make add STRATEGY=idea PACKAGE=...` adds its package"
    ]


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import ujson\nexcept ImportError:\n    ujson = None\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n",
        "import other\nfrom . import sibling\n",
    ],
)
def test_an_import_that_may_fail_or_is_its_own_is_no_problem(tmp_path: Path, code: str) -> None:
    """Where a failure is handled, for types alone, and modules of the folder."""
    (tmp_path / "idea").mkdir()
    (tmp_path / "idea" / "other.py").write_text("")
    (tmp_path / "idea" / "strategy.py").write_text(code)
    assert list(package_problems(tmp_path / "idea")) == []


@pytest.mark.parametrize(
    "imports,direct,missing",
    [
        (["sklearn"], {"scikit-learn"}, []),
        (["alpaca"], {"alpaca-py"}, []),
        (["psycopg2"], {"psycopg2-binary"}, []),
        (["PIL"], {"pillow"}, []),
        (["strange"], {"a-package-with-another-name"}, []),
        (["strange", "odd"], {"a-package-with-another-name"}, ["odd", "strange"]),
        (["numpy", "strange"], {"numpy"}, ["strange"]),
    ],
)
def test_a_module_may_have_another_name_than_its_package(
    imports: list[str], direct: set[str], missing: list[str]
) -> None:
    """An import that works is never reported: an asked-for package without a known module explains an unknown one."""
    assert sorted(uncovered(dict.fromkeys(imports, "here"), direct, direct)) == missing
