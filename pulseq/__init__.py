"""PulseQ runs test suites across machines that differ."""

from pulseq.execution.runtime.metric import metric

__all__ = ["__version__", "metric"]

__version__ = "0.1.0"
