"""What is left out of looks for garbage is there for whoever asks for it."""

from __future__ import annotations

from typing import Any

import pytest

both_isolations = pytest.mark.parametrize("isolation", ["fork", "interpreter"])


def test_garbage_is_looked_for_less_often_while_files_are_imported_and_as_usual_in_tests(suite: Any) -> None:
    body = """
        import gc
        then = gc.get_threshold()
        def test_now(): assert then == (10_000, 10, 10) and gc.get_threshold() != then
        def test_frozen(): assert gc.get_freeze_count() > 10_000
    """
    assert suite({"test_gc.py": body}).run().verdicts() == {"test_now": "passed", "test_frozen": "passed"}


@both_isolations
@pytest.mark.parametrize(
    "look",
    ["len(gc.get_referrers(KEPT)) == 2", "get_referrers(KEPT)", "[1 for held in gc.get_objects() if held is HOLDER]"],
    ids=["referrers", "taken at import", "objects"],
)
def test_a_test_finds_the_objects_that_import_has_made(look: str, isolation: str, suite: Any) -> None:
    body = f"""
        import gc
        {"from gc import get_referrers" if look.startswith("get") else ""}
        KEPT = object()
        HOLDER = [KEPT]
        def test_found():
            found = {look}
            assert found
    """
    assert suite({"test_gc.py": body}).run(isolation=isolation).verdicts() == {"test_found": "passed"}


@both_isolations
def test_a_test_that_asks_for_it_gets_rid_of_what_import_has_made(isolation: str, suite: Any) -> None:
    body = """
        import gc, weakref
        class Node: pass
        node = Node()
        node.itself = node
        def test_gone():
            global node
            reference = weakref.ref(node)
            del node
            gc.collect()
            assert reference() is None
            assert gc.collect(0) >= 0 and gc.get_freeze_count() > 10_000
    """
    assert suite({"test_gc.py": body}).run(isolation=isolation).verdicts() == {"test_gone": "passed"}


def test_thresholds_that_a_suite_sets_stay(suite: Any) -> None:
    body = "import gc\ngc.set_threshold(123)\ndef test_now(): assert gc.get_threshold()[0] == 123\n"
    assert suite({"test_gc.py": body}).run().verdicts() == {"test_now": "passed"}


@both_isolations
def test_what_a_test_has_looked_at_is_left_out_again_afterwards(isolation: str, suite: Any) -> None:
    body = """
        import gc
        def test_looks():
            assert gc.get_objects()
            assert gc.get_freeze_count() == 0
        def test_after(): assert gc.get_freeze_count() > 10_000
    """
    verdicts = suite({"test_gc.py": body}).run(isolation=isolation).verdicts()
    assert verdicts == {"test_looks": "passed", "test_after": "passed"}


def test_nothing_is_left_out_where_a_look_was_taken_along(suite: Any) -> None:
    # Some hundreds are Python 3.12's own, from its start.
    body = "import gc\nfrom gc import get_objects\ndef test_now(): assert gc.get_freeze_count() < 1_000\n"
    assert suite({"test_gc.py": body}).run().verdicts() == {"test_now": "passed"}
