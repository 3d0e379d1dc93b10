"""PulseQ runs test suites across machines that differ."""

__version__ = "0.1.0"
