"""`@env.task` keeps signatures, for mypy and for pyright."""

import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]
SIGNATURES = Path(__file__).with_name("signatures.py")


def checked(file: Path) -> tuple[str, int]:
    """What mypy prints about a file, and its exit code."""
    output, errors, code = api.run(["--config-file", str(ROOT / "pyproject.toml"), str(file)])
    return output + errors, code


def test_mypy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    output, code = checked(SIGNATURES)
    assert code == 0, output


def test_mypy_would_complain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        SIGNATURES.read_text().replace("assert_type(scale(1.0), float)", "assert_type(scale(1.0), int)")
    )
    output, code = checked(wrong)
    assert code == 1
    assert output.count("error:") == 1, output


def test_pyright() -> None:
    command = Path(sys.executable).with_name("pyright")
    if subprocess.run([command, "--version"], capture_output=True, timeout=300).returncode != 0:
        pytest.skip("PYRIGHT NOT RUN: it could not fetch the part of it that is not in its Python package")
    done = subprocess.run([command, str(SIGNATURES)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
