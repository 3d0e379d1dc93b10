"""What PulseQ uses of Dask, pytest and Python that they do not promise: where, and what breaks when it goes.

Each place names the tests that hold it against what is installed; they stand in the contract test of its package.
Where there is a public way, that one is taken, and the place goes from here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Something that is not promised.

    Attributes:
        uses: its names, as `tests.outside_use` finds them.
        files: where they are used, below `pulseq/`.
        breaks: what a user loses when it is there no more, or is something else.
        held_by: tests of the package's contract.
    """

    uses: tuple[str, ...]
    files: tuple[str, ...]
    breaks: str
    held_by: tuple[str, ...]


def _runtime(*stems: str) -> tuple[str, ...]:
    return tuple(f"execution/runtime/pytest_{stem}.py" for stem in stems)


DASK = (
    Place(
        ("distributed.threadpoolexecutor",),
        ("node/node_process.py",),
        "A node's end waits for the threads of a user's own tasks, since its worker ends no other pool in time.",
        ("test_a_worker_ends_its_own_kind_of_pool_in_time",),
    ),
    Place(
        ("Worker.executors",),
        ("node/node_agent.py",),
        "A node does not start, since tasks of anybody's flow would have no threads.",
        ("test_a_worker_ends_its_own_kind_of_pool_in_time",),
    ),
    Place(
        ("Worker.startup_information",),
        ("node/node_on_worker.py", "node/preload.py"),
        "No node has labels: nothing fits, and no test ever starts.",
        ("test_what_a_worker_registers_is_seen_by_all_who_ask",),
    ),
    Place(
        ("Worker.handle_stimulus", "distributed.worker_state_machine"),
        ("node/node_agent.py",),
        "On a worker with tasks of others, tests and those tasks wait for each other.",
        ("test_a_task_that_secedes_leaves_its_place_to_the_next",),
    ),
    Place(
        ("Worker.status",),
        ("node/node_agent.py",),
        "What is cut off where a worker is closed looks like a timeout of the test.",
        ("test_a_preload_is_told_before_a_worker_registers_and_while_it_closes",),
    ),
    Place(
        ("Worker.name", "Worker.port", "Worker.nanny", "Worker.state", "WorkerState.nthreads"),
        ("node/preload.py",),
        "A worker that preloads a node becomes none.",
        ("test_a_preload_is_told_before_a_worker_registers_and_while_it_closes",),
    ),
    Place(
        ("Worker.close",),
        ("node/node_process.py", "node/preload.py"),
        "A node of which something has failed stays a member, and nobody starts another one.",
        ("test_a_preload_is_told_before_a_worker_registers_and_while_it_closes",),
    ),
    Place(
        ("Worker.handlers",),
        ("node/probe.py", "node/node_agent.py"),
        "No node answers a probe, and all are thought to be silent; projects do not get to hosts.",
        ("test_an_operation_of_ours_is_answered_by_a_worker", "test_a_worker_is_handed_bytes_by_who_connects_to_it"),
    ),
    Place(
        ("Client.rpc", "distributed.protocol.serialize"),
        ("cluster/node_client.py",),
        "A run that sends a project to hosts ends at its start.",
        ("test_a_worker_is_handed_bytes_by_who_connects_to_it",),
    ),
    Place(
        ("Worker.periodic_callbacks", "Worker.latency"),
        ("node/silence.py",),
        "A node elsewhere takes its scheduler for silent and ends what it is at, or never notices that it is.",
        ("test_a_heartbeat_can_be_given_up_and_its_answer_is_noticed",),
    ),
    Place(
        ("Worker.batched_stream", "Worker.periodic_callbacks"),
        ("node/node_on_worker.py",),
        "A node whose clock is set back by an hour says nothing for an hour.",
        ("test_batches_and_timers_go_on_when_a_clock_was_set_back",),
    ),
    Place(
        (
            "Scheduler.stream_comms",
            "Scheduler.client_comms",
            "Scheduler.periodic_callbacks",
            "Scheduler.workers",
            "WorkerState.last_seen",
        ),
        ("cluster/scheduler_process.py",),
        "The same of a scheduler; one whose clock is set forth takes its nodes for silent.",
        ("test_batches_and_timers_go_on_when_a_clock_was_set_back",),
    ),
    Place(
        ("Client._reconnect", "Client._close"),
        ("cluster/driver_client.py",),
        "A run from elsewhere whose link was down for too long waits for ever, for nobody tells it anything any more.",
        ("test_a_client_whose_connection_breaks_is_asked_to_connect_again",),
    ),
    Place(
        ("Client.scheduler_comm",),
        ("cluster/cluster.py",),
        "A driver whose clock is set back by an hour sends nothing for an hour.",
        ("test_batches_and_timers_go_on_when_a_clock_was_set_back",),
    ),
    Place(
        ("Scheduler.broadcast",),
        ("cluster/run_watch.py", "protocol/node_probe.py"),
        "No node is probed, and none is told that a run's driver was killed.",
        ("test_an_operation_of_ours_is_answered_by_a_worker", "test_a_scheduler_has_workers_run_a_pickled_function"),
    ),
    Place(
        ("Scheduler._broker",),
        ("cluster/run_watch.py",),
        "A standing scheduler keeps the last messages of each run that was there.",
        ("test_a_scheduler_forgets_the_messages_of_a_topic",),
    ),
    Place(
        (
            *("Scheduler._track_retire_worker", "Scheduler.workers", "Worker.long_running"),
            *("Scheduler.get_metadata", "Scheduler.set_metadata"),
        ),
        ("cluster/retire_watch.py",),
        "What a worker runs is lost with it where somebody retires it, as Dask has it for tasks of its own.",
        ("test_a_worker_that_is_retired_can_be_had_to_stay",),
    ),
    Place(
        ("Scheduler.workers",),
        ("cluster/run_watch.py",),
        "No node is told that a run's driver was killed.",
        ("test_what_a_worker_registers_is_seen_by_all_who_ask",),
    ),
    Place(
        ("Scheduler.workers", "WorkerState.name", "WorkerState.extra"),
        ("cluster/node_watch.py",),
        "No node has labels: nothing fits, and no test ever starts.",
        ("test_what_a_worker_registers_is_seen_by_all_who_ask",),
    ),
    Place(
        ("Scheduler.identity",),
        ("cluster/cluster.py", "cluster/health.py", "node/joining.py", "standing/standing_nodes.py"),
        "Nodes that were there before the driver are not seen, nor their health, nor `pulseq status`.",
        ("test_what_a_worker_registers_is_seen_by_all_who_ask",),
    ),
    Place(
        ("Scheduler.get_metadata", "Scheduler.set_metadata"),
        ("cluster/mark_store.py",),
        "Marks of nodes do not outlive their scheduler.",
        ("test_a_scheduler_tells_its_metadata_and_versions_and_forgets_a_worker_when_it_is_asked",),
    ),
    Place(
        ("Scheduler.get_metadata", "Scheduler.versions", "Scheduler.unregister"),
        ("node/joining.py",),
        "A node that comes by itself is not told of another release, nor takes the place of its former self.",
        ("test_a_scheduler_tells_its_metadata_and_versions_and_forgets_a_worker_when_it_is_asked",),
    ),
    Place(
        ("Worker.scheduler", "Scheduler.identity", "Scheduler.unregister"),
        ("node/preload.py",),
        "A Dask worker becomes a second node of an id, or does not take the place of its former self.",
        (
            "test_what_a_worker_registers_is_seen_by_all_who_ask",
            "test_a_scheduler_tells_its_metadata_and_versions_and_forgets_a_worker_when_it_is_asked",
        ),
    ),
    Place(
        ("Scheduler.set_metadata", "Scheduler.listen", "Scheduler.port"),
        ("cluster/scheduler_process.py",),
        "Nodes that come by themselves know no `node_timeout`, or no other machine reaches the scheduler.",
        (
            "test_a_scheduler_tells_its_metadata_and_versions_and_forgets_a_worker_when_it_is_asked",
            "test_a_scheduler_listens_at_a_second_address",
        ),
    ),
    Place(
        ("Scheduler.processing",),
        ("standing/standing_nodes.py",),
        "`pulseq status` does not tell what a node runs.",
        ("test_a_scheduler_tells_the_keys_that_a_worker_has",),
    ),
    Place(
        ("check-worker-ttl",),
        ("cluster/node_watch.py",),
        "A node that was silent for too long is told of as one whose connection ended.",
        ("test_a_worker_that_is_silent_is_removed_under_that_name",),
    ),
    Place(
        ("Client-",),
        ("cluster/run_watch.py",),
        "The scheduler does not know whose a lost connection was: bodies of a killed driver go on.",
        ("test_a_clients_id_has_the_name_that_it_was_given",),
    ),
    Place(
        ("Client.id", "Scheduler.get_metadata"),
        ("cluster/cluster.py",),
        "Two drivers have one run at a scheduler, and nodes lose the projects of both.",
        (
            "test_a_clients_id_has_the_name_that_it_was_given",
            "test_what_a_plugin_of_a_scheduler_keeps_is_told_as_its_metadata",
        ),
    ),
    Place(
        ("Scheduler.clients", "Scheduler.task_metadata"),
        ("cluster/run_watch.py",),
        "The same; and a driver that takes the place of a killed one is refused for ever.",
        ("test_what_a_plugin_of_a_scheduler_keeps_is_told_as_its_metadata",),
    ),
    Place(
        ("Client.status",),
        ("cluster/cluster.py",),
        "A driver waits for ever for a scheduler that has gone.",
        ("test_a_client_tells_that_its_scheduler_has_gone",),
    ),
    Place(
        ("Client.scheduler",),
        ("cluster/cluster.py", "cluster/node_client.py"),
        "A driver that has lost its scheduler fails with an AttributeError in place of its words for it.",
        ("test_what_a_worker_registers_is_seen_by_all_who_ask", "test_a_client_tells_that_its_scheduler_has_gone"),
    ),
)

PYTEST = (
    Place(
        ("_pytest.assertion", "State.hook", "rewrite.assertstate_key", "rewrite._read_pyc"),
        _runtime("rewriting"),
        "Each node rewrites all assertions by itself.",
        ("test_an_import_reads_code_by_the_function",),
    ),
    Place(
        (
            "rewrite.PYC_TAIL",
            "rewrite.get_cache_dir",
            "rewrite._rewrite_test",
            "rewrite._write_pyc",
            "rewrite._read_pyc",
        ),
        _runtime("rewrite_store"),
        "The same, or sessions take code that is not of their files.",
        ("test_rewritten_code_is_written_and_read_by_these_functions",),
    ),
    Place(
        ("_pytest", "_pytest.junitxml", "junitxml.xml_key"),
        _runtime("verdict"),
        "What `record_xml_attribute` and `record_testsuite_property` record is lost.",
        ("test_properties_go_to_what_stands_in_the_place_of_a_junit_file",),
    ),
    Place(
        ("ExceptionRepr.reprcrash", "ReprFileLocation.message"),
        _runtime("verdict"),
        "No failed test has the one line that says why.",
        ("test_a_report_says_in_one_line_why_a_test_failed",),
    ),
    Place(
        ("Report.context",),
        _runtime("verdict"),
        "Subtests are not counted, and one that is skipped makes its test a skipped one.",
        ("test_the_report_of_a_subtest_has_a_context",),
    ),
    Place(
        ("Report.wasxfail",),
        _runtime("verdict"),
        "A test that is expected to fail has no reason, nor does one that passed all the same.",
        ("test_a_report_tells_why_a_failure_was_expected",),
    ),
    Place(
        ("_pytest.faulthandler", "faulthandler.fault_handler_stderr_fd_key"),
        _runtime("fork"),
        "Where a hung or crashed test was is written to the output of another one.",
        ("test_faulthandlers_descriptor_is_in_the_stash",),
    ),
    Place(
        ("Manager._global_capturing", "Stream.targetfd_save", "Stream.tmpfile"),
        _runtime("fork"),
        "Forks write what tests print into one file, and tests are given the output of others.",
        ("test_capturing_goes_on_in_another_file",),
    ),
    Place(
        ("Config._tmp_path_factory",),
        _runtime("fork", "controller"),
        "`tmp_path` of all slots is in one directory, which pytest then clears while tests use it.",
        ("test_temporary_directories_move_with_their_factory",),
    ),
    Place(
        ("TempPathFactory._given_basetemp", "TempPathFactory._basetemp"),
        _runtime("fork"),
        "The same, in forks.",
        ("test_temporary_directories_move_with_their_factory",),
    ),
    Place(
        ("TerminalReporter._tw", "TerminalWriter._file", "TerminalReporter._show_progress_info"),
        _runtime("fork", "summary"),
        "Workers write a progress that nobody reads, and what plug-ins say at the end of a session is lost.",
        ("test_the_terminal_reporter_writes_where_it_is_told_to",),
    ),
    Place(
        ("TerminalReporter.showfspath",),
        _runtime("fork"),
        "Workers write a progress that nobody reads.",
        ("test_the_terminal_reporter_writes_where_it_is_told_to",),
    ),
    Place(
        ("TerminalWriter.hasmarkup", "_report_keyboardinterrupt"),
        _runtime("summary"),
        "The summary of a session has colour codes, or tells again what each test's report tells.",
        ("test_the_terminal_reporter_writes_where_it_is_told_to", "test_the_own_parts_of_a_summary_can_be_silenced"),
    ),
    Place(
        ("TerminalReporter.stats",),
        _runtime("replay"),
        "A test that was run again counts as failed in the summaries of plug-ins.",
        ("test_the_terminal_reporter_keeps_reports_by_category",),
    ),
    Place(
        ("Session._setupstate", "State.stack"),
        _runtime("runner"),
        "Fixtures of a wider scope stand on in a slot that goes on elsewhere.",
        ("test_wider_fixtures_are_torn_down_by_the_setup_state",),
    ),
    Place(
        ("HookCaller.has_spec",),
        _runtime("node_hooks", "scheduler"),
        "Hooks that pytest-xdist specifies are taken for a suite's own, or the other way round.",
        ("test_a_hook_tells_whether_it_was_specified",),
    ),
    Place(
        ("_pytest.warnings",),
        _runtime("late_teardown"),
        "The fixtures of a slot that waited for more in vain are not torn down.",
        ("test_warnings_of_an_item_are_recorded_by_this_function",),
    ),
    Place(
        ("Item._report_sections",),
        _runtime("runner"),
        "A retry shows the output of the attempt before.",
        ("test_an_item_keeps_its_output_until_that_is_cleared",),
    ),
    Place(
        ("Session._initialpaths",),
        _runtime("files"),
        "Helpers rewrite nothing ahead of a collection, which takes as long as without them.",
        ("test_a_session_knows_the_paths_that_it_was_given",),
    ),
    Place(
        ("_pytest",),
        _runtime("garbage"),
        "Each slot looks through all objects for garbage when it ends.",
        ("test_garbage_is_looked_for_by_the_plug_in_for_it_alone",),
    ),
    Place(
        ("_pytest",),
        _runtime("unfit"),
        "pytest's own hooks are taken for a suite's, which then is not forked.",
        ("test_plug_ins_of_pytest_are_known_by_their_module",),
    ),
    Place(
        ("Config.known_args_namespace",),
        _runtime("controller"),
        "Plug-ins that look at `-n` when they are loaded do not find a session that is distributed.",
        ("test_early_options_are_a_namespace_of_the_early_configuration",),
    ),
    Place(
        ("Session.testsfailed", "Session.testscollected"),
        _runtime("replay"),
        "A session's exit status is not that of its tests.",
        ("test_a_sessions_counts_decide_on_its_exit_status",),
    ),
    Place(
        ("Session.testsfailed",),
        _runtime("collection"),
        "A file that cannot be collected ends a whole session.",
        ("test_a_sessions_counts_decide_on_its_exit_status",),
    ),
    Place(
        ("Option.basetemp",),
        _runtime("collection", "fork"),
        "`tmp_path` of workers is not below that of their session.",
        ("test_options_have_these_names",),
    ),
    Place(
        ("Option.collectonly",),
        _runtime("unfit"),
        "A plug-in that surrounds pytest's loop to run the items itself is not told of.",
        ("test_options_have_these_names",),
    ),
    Place(
        ("Report.count_towards_summary",),
        _runtime("summary"),
        "Reports that a plug-in leaves out of its category are counted in it.",
        ("test_a_report_may_be_left_out_of_the_last_line",),
    ),
    Place(
        ("pytest.__main__",),
        _runtime("begin"),
        "What a suite starts by `python -m pytest` or `__main__` is not what it is under pytest.",
        ("test_pytest_is_a_program_that_can_be_imported",),
    ),
    Place(
        ("pytest.__main__.__file__",),
        _runtime("neutral"),
        "The same.",
        ("test_pytest_is_a_program_that_can_be_imported",),
    ),
)

#: Private names of Prefect's and of what it brings, which its contract and the tests of these files hold.
PREFECT = frozenset({"_client", "anyio._backends._asyncio", "prefect._internal.control_listener"})

#: A plug-in of pytest's by its module, which a fork does no harm (another name is taken for a suite's own), and the
#: method by which suites give pytest-xdist scopes of their own, as its documentation has it.
PLUG_INS = frozenset({"_hypothesis_pytestplugin", "_split_scope"})

#: Names of Python's own that are not documented, and the tests that hold them.
PYTHON = {
    "_IOBase": "test_files_are_of_these_classes",
    "_RandomNameSequence": "test_names_and_files_are_made_by_these_functions",
    "_accept": "test_a_socket_accepts_as_a_descriptor",
    "_clear": "test_functions_at_exit_are_run_and_forgotten",
    "_collections_abc": "test_copies_of_the_environment_are_made_in_this_file",
    "_data": "test_the_environment_is_held_by_a_dictionary",
    "_io": "test_files_are_of_these_classes",
    "_mkstemp_inner": "test_names_and_files_are_made_by_these_functions",
    "_register_atexit": "test_threads_end_before_functions_at_exit",
    "_registered_with_atexit": "test_finalizers_are_forgotten_in_a_fork",
    "_registry": "test_finalizers_are_forgotten_in_a_fork",
    "_run_exitfuncs": "test_functions_at_exit_are_run_and_forgotten",
    "_shutdown": "test_threads_end_before_functions_at_exit",
    "_urandom": "test_names_and_files_are_made_by_these_functions",
}
