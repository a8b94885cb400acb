"""Every notebook of examples/ runs from a clean kernel, without network, within a minute, and warns of nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.filterwarnings("default")  # the notebook machinery's own; the kernel below turns ours into errors
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONWARNINGS", "error::DeprecationWarning:supplyrisk,error::UserWarning:supplyrisk")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    book = nbformat.read(path, as_version=4)
    # Notebooks read published files where the reader has them; they say so and go on where they are absent.
    monkeypatch.chdir(tmp_path)
    NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell in book.cells:
        for output in cell.get("outputs", []):
            assert output.get("output_type") != "error"
            assert not (output.get("name") == "stderr" and "Warning" in output.get("text", "")), output["text"]
    assert os.listdir(tmp_path) is not None  # noqa: PTH208 - whatever it wrote, it wrote here


def test_there_are_notebooks_and_they_are_numbered():
    assert NOTEBOOKS
    assert all(p.stem[:2].isdigit() for p in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_tells_a_story_and_names_no_machine(path):
    import nbformat

    book = nbformat.read(path, as_version=4)
    assert book.cells[0].cell_type == "markdown"
    assert book.cells[0].source.startswith("# ")
    text = path.read_text(encoding="utf-8")
    assert "/home/" not in text
    assert "/tmp/" not in text
