"""The table of cars that are found again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.toycars.__main__ import main
from tools.toycars.invert import Row, as_markdown


def test_what_was_missed_stands_in_bold_and_counts() -> None:
    good = Row(1000, -1.2, 2.9, 27.0, 25.0, 60, 90)
    missed = Row(1001, 178.0, 0.5, 20.0, 14.0, 65, 95)
    table = as_markdown([good, missed])
    assert "| 1000 | -1.2° | +2.9° | 27.0 dB | 25.0 dB | 90 s |" in table
    assert "**+178.0°**" in table
    assert "1 of 2 within 3°" in table
    assert "| 23.5 dB | 19.5 dB |" in table


def test_the_command_makes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a second, which finds little."""
    told = ["invert", "--cars", "1", "--size", "12", "--seconds", "0.01",
            "--json", str(tmp_path / "rows.json")]  # fmt: skip
    main([*told, "--given"])
    written = (tmp_path / "rows.json").read_bytes()
    [row] = json.loads(written)["rows"]
    assert row["car"] == 1001
    assert row["found"]
    assert "1 of 1 within 3°" in capsys.readouterr().out
    main([*told, "--given"])  # what is there is kept
    assert "1 of 1 within 3°" in capsys.readouterr().out
    assert (tmp_path / "rows.json").read_bytes() == written
    with pytest.raises(ValueError, match="name another file"):
        main(told)
