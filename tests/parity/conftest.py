"""What the comparisons run."""

#: Suites to be run by the harness, many of which fail on purpose.
collect_ignore = ["plugins"]
