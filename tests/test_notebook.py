"""What notebooks show, and the tour of `examples/graf.ipynb`, run from a clean kernel, offline."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import graf_cli as graf
from graf_cli.jobs import Result
from graf_cli.output.notebook import embedded
from tests.conftest import small_generator

TOUR = Path(__file__).parents[1] / "examples" / "graf.ipynb"


def test_a_frame_shows_itself() -> None:
    frame = graf.render(small_generator(), seed=1, size=(9, 7))
    with Image.open(io.BytesIO(frame._repr_png_())) as image:
        pixels = np.asarray(image)
    assert np.array_equal(pixels, np.round(frame.rgb * 255))


def test_what_was_written_is_shown(tmp_path: Path) -> None:
    generator = small_generator()
    turn = graf.sweep(generator, azimuth=(0, 360), frames=2, size=8)
    shown = graf.write(turn, tmp_path / "a.mp4", generator=generator)._repr_html_()
    assert shown.startswith('<video aria-label="a.mp4" src="data:video/mp4;base64,')
    folder = graf.write(turn, f"{tmp_path}/b/", generator=generator)._repr_html_()
    assert folder.count("<img") == 2
    assert Result(turn)._repr_html_() == "<p>Nothing is finished yet.</p>"


def test_a_page_is_shown_as_a_document_of_its_own(tmp_path: Path) -> None:
    page = tmp_path / 'a".html'
    page.write_text('<p title="x">&amp;</p>')
    shown = embedded([page])
    assert 'srcdoc="&lt;p title=&quot;x&quot;&gt;&amp;amp;&lt;/p&gt;"' in shown
    assert 'title="a&quot;.html"' in shown
    assert "allow-same-origin" not in shown


def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "<a>.npz").write_bytes(b"")
    assert embedded([tmp_path / "<a>.npz"]) == "<p><code>&lt;a&gt;.npz</code></p>"


def test_the_tour_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipywidgets")
    tour = nbformat.read(TOUR, as_version=4)
    nbformat.validate(tour)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in tour.cells)
    roots = [str(TOUR.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(roots))
    monkeypatch.setenv("GRAF_OFFLINE", "1")
    monkeypatch.setenv("GRAF_TOUR_SIZE", "24")
    monkeypatch.setenv("GRAF_CACHE", str(tmp_path / "cache"))
    # The kernel of this interpreter, whatever others are installed.
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix) / "share" / "jupyter"))
    client = nbclient.NotebookClient(
        tour, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    made = {path.name for path in tmp_path.iterdir()}
    assert {"sheet.png", "turn.mp4", "change.mp4", "mixed.png", "car.html"} <= made
    outputs = [out for cell in tour.cells for out in cell.get("outputs", ())]
    shown = [set(out.data) for out in outputs if "data" in out]
    assert sum("image/png" in kinds for kinds in shown) >= 2
    assert sum("text/html" in kinds for kinds in shown) >= 5
    assert any("application/vnd.jupyter.widget-view+json" in kinds for kinds in shown)
