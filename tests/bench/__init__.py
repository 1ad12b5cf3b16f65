"""Benchmarks: `python -m tests.bench`. They measure and record; no figure here passes or fails anything."""
