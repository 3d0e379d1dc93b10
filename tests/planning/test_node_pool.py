"""Which nodes can take a dispatch."""

from __future__ import annotations

from pulseq.planning.node_pool import NodePool, PooledNode
from pulseq.planning.queued import NodeOffer
from pulseq.planning.strategies import least_loaded


def make_pool() -> NodePool:
    return NodePool(least_loaded)


def join(pool: NodePool, name: str, slots: int) -> PooledNode:
    return pool.join(NodeOffer(name, slots, {}), fits=1)


def names(nodes: set[PooledNode]) -> set[str]:
    return {node.offer.id for node in nodes}


def test_a_node_is_free_while_it_has_a_free_slot() -> None:
    pool = make_pool()
    node = join(pool, "a", 2)
    pool.take_slot(node, 1)
    assert names(pool.free(doubled=False)) == {"a"}
    pool.take_slot(node, 1)
    assert names(pool.free(doubled=False)) == set()


def test_a_slot_that_is_freed_is_free() -> None:
    pool = make_pool()
    pool.take_slot(join(pool, "a", 1), 1)
    pool.free_slot("a")
    assert names(pool.free(doubled=False)) == {"a"}


def test_a_second_round_counts_each_slot_twice() -> None:
    pool = make_pool()
    node = join(pool, "a", 2)
    for _ in range(3):
        pool.take_slot(node, 1)
    assert names(pool.free(doubled=True)) == {"a"}
    pool.take_slot(node, 1)
    assert names(pool.free(doubled=True)) == set()


def test_a_closed_node_is_not_free() -> None:
    pool = make_pool()
    join(pool, "a", 1)
    pool.set_open("a", False)
    assert names(pool.free(doubled=True)) == set()
    pool.set_open("a", True)
    assert names(pool.free(doubled=True)) == {"a"}


def test_a_node_that_left_is_not_free_and_has_no_slots() -> None:
    pool = make_pool()
    node = join(pool, "a", 3)
    join(pool, "b", 2)
    assert pool.leave("a") is node
    assert (names(pool.free(doubled=True)), pool.slots, [*names(set(pool))]) == ({"b"}, 2, ["b"])


def test_a_node_that_nobody_knows_leaves_nothing() -> None:
    assert make_pool().leave("nobody") is None


def test_a_dispatch_of_a_node_that_left_frees_no_slot() -> None:
    pool = make_pool()
    pool.take_slot(join(pool, "a", 1), 1)
    pool.leave("a")
    again = join(pool, "a", 1)
    pool.free_slot("a")
    pool.free_slot("gone")
    assert again.used == 0


def test_a_nodes_rank_follows_what_it_holds() -> None:
    pool = make_pool()
    node = join(pool, "a", 4)
    pool.take_slot(node, 8)
    assert node.rank == (0.25, 2.0, 1)
