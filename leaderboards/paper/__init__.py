"""Runs as the parts of a paper: tables as LaTeX, Markdown, HTML, CSV and parquet, and figures.

`layout` says what a table is, `build` fills it from runs, `latex` and `render` write it, `figures` draws.
"""
