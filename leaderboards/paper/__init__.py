"""What a paper needs of runs: its tables as LaTeX, Markdown, HTML, CSV and parquet, and its figures.

`layout` says what a table is, `build` fills it from runs, `latex` and `render` write it, `figures` draws.
"""
