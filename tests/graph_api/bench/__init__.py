"""Benchmarks: programs that print ratios to the bare engine, measured in the same run."""
