import os
import resource
import subprocess
from types import SimpleNamespace

import pytest

from pulseq.execution.runtime.measure import FIRST_LOOK_SECONDS, Usage
from pulseq.execution.runtime.process_tree import Ended, read_stat

OWN_PEAK = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def ended(peak_kilobytes, cpu_seconds=0.0):
    usage = SimpleNamespace(ru_maxrss=peak_kilobytes, ru_utime=cpu_seconds, ru_stime=cpu_seconds)
    return Ended(1, 0, usage)


@pytest.fixture
def usage():
    """The usage of a body that has less memory than the process that keeps it."""
    body = subprocess.Popen(["sleep", "60"])
    # Between fork and exec a process has no memory of its own to be seen.
    while not (stat := read_stat(body.pid)) or not stat.rss_bytes:
        os.sched_yield()
    usage = Usage(memory_limited=False)
    usage.begin(body.pid)
    yield usage
    body.kill()
    body.wait()


def test_cpu_is_user_and_system_time_of_all_that_ended(usage):
    usage.add(ended(0, 0.25), is_body=True)
    usage.add(ended(0, 0.5), is_body=False)
    assert usage.cpu_seconds == 1.5


def test_a_peak_that_may_be_the_keepers_own_does_not_count_where_the_body_was_seen(usage):
    usage.look(usage.next_look)
    seen = usage.peak_rss
    usage.add(ended(1000), is_body=True)
    assert 0 < seen == usage.peak_rss == usage.most_rss


def test_of_a_body_that_ended_unseen_it_is_no_more_than_a_bound(usage):
    usage.add(ended(1000), is_body=True)
    assert (usage.peak_rss, usage.most_rss) == (0, 1000 * 1024)


def test_a_peak_above_the_keepers_own_is_the_bodys(usage):
    usage.add(ended(OWN_PEAK * 100), is_body=True)
    assert usage.peak_rss == OWN_PEAK * 100 * 1024


def test_the_tree_is_looked_at_only_when_it_is_time(usage):
    first = usage.next_look
    usage.look(first - FIRST_LOOK_SECONDS / 2)
    assert usage.next_look == first
    usage.look(first)
    assert usage.next_look > first
    assert usage.peak_rss > 0
