"""One strategy a file; each is two pure functions, and a flag.

`order_key(seconds, sequence)` sorts the tests of one priority, smallest first. `rank(load)` sorts the
nodes that fit and have a free slot, smallest first. `SPARES_SCARCE_NODES` says whether a node comes
after all others while tests with less choice wait for it. Priorities are strict and above all strategies.
"""
