"""Figures of a paper as PDF, SVG or PNG: the same numbers give the same bytes. One file a kind of figure."""
