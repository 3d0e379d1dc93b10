"""PulseQ runs test suites on labelled nodes."""

from pulseq.execution.runtime.metric import metric

__all__ = ["__version__", "metric"]

__version__ = "0.1.0"
