"""Commands that leave JUnit files, in real runs."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.system.workplace import Workplace

pytestmark = pytest.mark.system

GOOD = """<testsuite name="S" tests="2">
<testcase classname="%s" name="a" time="0.1"/>
<testcase classname="%s" name="b"><failure message="no">stack</failure></testcase>
</testsuite>"""
#: Leaves a file of the name that it is given, and ends with 1 in the first attempt.
TOOL = """
import os, sys, time
attempt, name = int(os.environ["PULSEQ_ATTEMPT"]), sys.argv[1]
case = '<testcase classname="T" name="%s">%s</testcase>'
bad = '<failure message="no"/>'
first = attempt == 1
if name == "only-failed" and not first:
    cases = case % ("b", "")
elif name == "crashes" and not first:
    os.abort()
else:
    cases = case % ("a", "") + case % ("b", bad if first else "")
with open(f"{name}.xml", "w") as file:
    file.write(f"<testsuite name='T'>{cases}</testsuite>")
if name == "hangs":
    time.sleep(600)
sys.exit(first)
"""
SUITE = """
suite: files
tests:
  - {id: torn, command: "mkdir o && ln -s . o/round && cp src/*.xml o; exit 1", shell: true, junit: "o/**/*.xml"}
  - {id: only-failed, command: python tool.py only-failed, junit: only-failed.xml, max_retries: 1}
  - {id: crashes, command: python tool.py crashes, junit: crashes.xml, max_retries: 1}
  - {id: hangs, command: python tool.py hangs, junit: hangs.xml, timeout: 5}
  - {id: stale, command: "true", junit: "*.xml"}
"""


def test_no_file_and_no_attempt_takes_the_verdicts_of_another(workplace: Workplace) -> None:
    for name in ("Good1", "Good2"):
        workplace.write(f"src/{name}.xml", GOOD % (name, name))
    workplace.write(
        "src/Cut.xml", "<testsuite name='Cut'><testcase classname='Cut' name='a'/><testcase classname='Cut'"
    )
    colored = "<testcase classname='Esc' name='a'><failure message='\x1b[31mred'/></testcase>"
    workplace.write("src/Esc.xml", f"<testsuite>{colored}</testsuite>")
    workplace.write("src/summary.xml", "<failsafe-summary result='255'/>")
    workplace.write("tool.py", TOOL)
    suite = workplace.write("suite.yaml", SUITE)

    run = workplace.run("run", suite, "-n", "1", "--junitxml", workplace.path / "report.xml")

    assert run.code == 1, run.err
    rows = {
        row["test_id"]: (row["status"], row["reason"], row["attempts"], row["flaky"])
        for row in workplace.sql("select * from results")
    }
    assert rows == {
        "torn::Good1::a": ("passed", None, 1, False),
        "torn::Good1::b": ("failed", "assertion", 1, False),
        "torn::Good2::a": ("passed", None, 1, False),
        "torn::Good2::b": ("failed", "assertion", 1, False),
        "torn::Cut::a": ("passed", None, 1, False),
        "torn::Esc::a": ("failed", "assertion", 1, False),
        "torn::[o/Cut.xml]": ("error", "setup", 1, False),
        "torn::[o/Esc.xml]": ("error", "setup", 1, False),
        "torn::[o/summary.xml]": ("error", "setup", 1, False),
        "only-failed::T::a": ("passed", None, 1, False),
        "only-failed::T::b": ("passed", None, 2, True),
        "crashes": ("error", "crash", 2, False),
        "crashes::T::a": ("passed", None, 1, False),
        "crashes::T::b": ("failed", "assertion", 1, False),
        "hangs": ("error", "timeout", 1, False),
        "hangs::T::a": ("passed", None, 1, False),
        "hangs::T::b": ("failed", "assertion", 1, False),
        "stale": ("error", "setup", 1, False),
    }
    attempts = workplace.sql(
        "select attempt, status from attempts where test_id = 'only-failed::T::b' order by attempt"
    )
    assert [(1, "failed"), (2, "passed")] == [(row["attempt"], row["status"]) for row in attempts]
    cases = [*ElementTree.parse(workplace.path / "report.xml").getroot().iter("testcase")]
    assert len(rows) == len(cases) == len({(case.attrib["classname"], case.attrib["name"]) for case in cases})
