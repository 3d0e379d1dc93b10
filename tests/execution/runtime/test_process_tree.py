"""Each test runs its scenario in a child: being a subreaper and reaping everything is for a process of its own."""

import json
import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pulseq.execution.runtime.process_tree import FIRST_LOOK_SECONDS, Ended, Usage, read_stat

pytestmark = pytest.mark.processes

PROLOGUE = """
import json, os, signal, subprocess, sys, time
from pulseq.execution.runtime.process_tree import *
become_subreaper()
def start(code):
    code += "\\nprint('ready', flush=True)\\nimport time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process.pid
"""


def scenario(code):
    script = PROLOGUE + code + "\nsys.stdout.flush()\nos._exit(0)\n"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (finished.returncode, finished.stderr) == (0, "")
    return json.loads(finished.stdout)


def test_what_heeds_sigterm_is_not_killed():
    said = scenario("""
pid = start("")
ended = []
result = kill_descendants(5.0, record=ended.append)
print(json.dumps([list(result.killed), list(result.survivors), ended[0].pid == pid, ended[0].status]))
""")
    assert said == [[], [], True, 15]


def test_what_ignores_sigterm_is_killed_after_the_grace():
    said = scenario("""
pid = start("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
result = kill_descendants(0.05)
print(json.dumps([list(result.killed) == [pid], read_stat(pid)]))
""")
    assert said == [True, None]


def test_a_daemon_that_forked_twice_into_its_own_session_is_killed():
    said = scenario("""
read, write = os.pipe()
process = subprocess.Popen([sys.executable, "-c", f'''
import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write({write}, str(os.getpid()).encode())
        import time; time.sleep(60)
    os._exit(0)
'''], pass_fds=[write])
daemon = int(os.read(read, 20))
process.wait()
inside = daemon in descendants()
kill_descendants(0.05)
print(json.dumps([inside, read_stat(daemon)]))
""")
    assert said == [True, None]


def test_a_stopped_process_is_continued_to_heed_sigterm():
    said = scenario("""
pid = start("")
os.kill(pid, signal.SIGSTOP)
ended = []
result = kill_descendants(5.0, record=ended.append)
print(json.dumps([list(result.killed), ended[0].status]))
""")
    assert said == [[], 15]


def test_what_is_spared_lives_on_with_all_below_it():
    said = scenario('''
read, write = os.pipe()
spared = subprocess.Popen([sys.executable, "-c", f"""
import os, subprocess, sys, time
os.write({write}, b'%d' % subprocess.Popen(['sleep', '60']).pid)
time.sleep(60)
"""], pass_fds=[write]).pid
below = int(os.read(read, 20))
stray = start("")
result = kill_descendants(0, spare={spared})
left = [pid in alive([spared, below, stray]) for pid in (spared, below, stray)]
kill_descendants(0)
print(json.dumps([list(result.killed) == [stray], list(result.survivors), left]))
''')
    assert said == [True, [], [True, True, False]]


def test_nothing_below_is_nothing_to_kill():
    assert scenario("print(json.dumps([list(part) for part in kill_descendants(5.0)]))") == [[], []]


def test_a_tree_is_measured_with_its_grandchildren():
    said = scenario("""
start("data = bytearray(50_000_000); import subprocess; subprocess.Popen(['sleep', '60'])")
watcher = TreeWatcher()
samples = [watcher.sample() for _ in range(3)]
print(json.dumps([[s.processes for s in samples], samples[-1].rss_bytes > 50_000_000, samples[-1].cpu_seconds >= 0]))
kill_descendants(0)
""")
    assert said == [[2, 2, 2], True, True]


def test_the_end_of_a_child_can_be_polled_for():
    said = scenario("""
import select
ends = ChildSignal()
process = subprocess.Popen(["true"])
readable = select.select([ends.fd], [], [], 10)[0] == [ends.fd]
ends.clear()
empty = select.select([ends.fd], [], [], 0)[0]
left = reap()
print(json.dumps([readable, empty, left]))
ends.close()
""")
    assert said == [True, [], False]


def test_a_name_full_of_parentheses_does_not_confuse_the_reader(tmp_path):
    program = tmp_path / "a ) R 1 ("
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        stat = read_stat(process.pid)
        assert os.getpid() == stat.parent
    finally:
        process.kill()
        process.wait()


def test_a_process_that_is_not_there_has_no_state():
    assert read_stat(2**31 - 1) is None


def test_children_that_somebody_else_reaps_are_not_waited_for():
    said = scenario("""
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
pid = start("")
before = still_running([pid]) == {pid}
os.kill(pid, signal.SIGKILL)
wait_for([pid], 20)
print(json.dumps([before, list(still_running([pid]))]))
""")
    assert said == [True, []]


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
