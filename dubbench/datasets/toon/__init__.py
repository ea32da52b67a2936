"""`toon`, the embedded corpus: GRID-grammar sentences in synthetic voices with drawn talking faces."""
