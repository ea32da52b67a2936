from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dubbench.errors import DubbenchError
from dubbench.pipeline import scores
from dubbench.pipeline.scores import read_scores

ROWS = [
    ("a", "c0", "wer", "errors", 1.0, None),
    ("a", "c0", "wer", "words", 6.0, None),
    ("a", "c1", "wer", None, None, "no text"),
    ("a", "c2", "secs", "cosine", 0.5, None),
    ("b", "c1", "wer", "errors", 2.0, None),
    ("b", "gone", "wer", "errors", 9.0, None),
    ("gone", "c1", "wer", "errors", 9.0, None),
    ("b", "c1", "gone", "errors", 9.0, None),
]


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_rows_become_arrays_over_the_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(scores, "BATCH", batch)
    names = ("system", "clip", "metric", "stat", "value", "reason")
    table = pa.table({name: [row[i] for row in ROWS] for i, name in enumerate(names)})
    pq.write_table(table, tmp_path / "scores.parquet", row_group_size=4)
    found = read_scores(tmp_path / "scores.parquet", ("a", "b"), ("secs", "wer"), ("c0", "c1", "c2"))
    assert set(found) == {("a", "wer"), ("a", "secs"), ("b", "wer")}
    wer = found["a", "wer"]
    np.testing.assert_array_equal(wer.stats["errors"], [1, np.nan, np.nan])
    np.testing.assert_array_equal(wer.stats["words"], [6, np.nan, np.nan])
    assert wer.asked.tolist() == [True, True, False] and wer.reasons == {1: "no text"}
    np.testing.assert_array_equal(found["b", "wer"].stats["errors"], [np.nan, 2, np.nan])


def test_an_empty_table_and_what_is_no_table(tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    text = {name: pa.array([], pa.string()) for name in ("system", "clip", "metric", "stat", "reason")}
    pq.write_table(pa.table({**text, "value": pa.array([], pa.float64())}), file)
    assert read_scores(file, ("a",), ("wer",), ("c0",)) == {}
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(DubbenchError, match="not a table of scores"):
        read_scores(file, ("a",), ("wer",), ("c0",))
    pq.write_table(pa.table({"system": ["a"]}), file)
    with pytest.raises(DubbenchError, match="not a table of scores"):
        read_scores(file, ("a",), ("wer",), ("c0",))
