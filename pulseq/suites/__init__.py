"""Suites and fleets as people write them, read into the frozen words of `pulseq.models`."""
