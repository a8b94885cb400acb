"""The README holds: its Python runs, its commands exist, its links lead somewhere, its two set-up commands come first."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.S | re.M)


def test_the_first_two_shell_blocks_set_everything_up():
    run, test = blocks("sh")[:2]
    assert "pip install ." in run
    assert run.strip().endswith("supplyrisk brief")
    assert "[test]" in test
    assert test.strip().endswith("pytest")


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(code):
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("line", [x for b in blocks("console") for x in b.splitlines() if x.startswith("$ ")])
def test_commands_are_understood(line, tmp_path, monkeypatch, capsys):
    from supplyrisk.cli import main

    monkeypatch.chdir(tmp_path)
    words = shlex.split(line[2:])
    assert words[0] == "supplyrisk"
    assert main(words[1:]) == 0
    assert capsys.readouterr().out.strip()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_what_belongs_beside_the_readme_is_there():
    from supplyrisk import __version__

    for name in ("LICENSE", "CITATION.cff", "CHANGELOG.md", "pyproject.toml"):
        assert (ROOT / name).exists()
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
