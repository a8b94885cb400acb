"""Benchmarks: frozen specs, phases, named peers; every figure is also a ratio within the same run."""
