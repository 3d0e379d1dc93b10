"""One strategy a file; each is three pure functions, and a flag. What they sort comes smallest first.

- `order_key(seconds, sequence)` sorts tests of one priority and equal requirements.
- `class_rank(head_seconds, room, remaining_seconds)` sorts classes of requirements, of the priority whose
  turn it is, by the first test of each, the slots that fit, and the least time that all waiting work takes.
- `rank(load)` sorts the nodes that fit and have a free slot.
- `SPARES_SCARCE_NODES` says whether a node comes after all others while tests with less choice wait for it.

Priorities are strict and above all strategies.
"""
