"""One strategy a file; each is two pure functions.

`order_key(test)` sorts the tests of one priority, smallest first, and `choose(free)` takes one of the
nodes that fit and have a free slot. Priorities are strict and above all strategies.
"""
