-- Version 1: the tables. Only ever extended: a change is a file of the next version.
-- Rows come from the journals alone, through stage.sql and merge.sql; keys are kept unique there.

CREATE TABLE pulseq_schema (
    version INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE pulseq_schema IS 'The versions of this schema that were applied to the file; the highest is in force';
COMMENT ON COLUMN pulseq_schema.version IS 'Version of the schema';
COMMENT ON COLUMN pulseq_schema.created_at IS 'When it was applied to this file';

CREATE TABLE journals (
    run_id VARCHAR NOT NULL PRIMARY KEY,
    end_offset BIGINT NOT NULL,
    damaged_lines BIGINT NOT NULL
);
COMMENT ON TABLE journals IS 'How far each journal has been taken in';
COMMENT ON COLUMN journals.run_id IS 'The run whose journal it is';
COMMENT ON COLUMN journals.end_offset IS 'Bytes of the journal that are in these tables';
COMMENT ON COLUMN journals.damaged_lines IS 'Lines skipped so far because they were torn, turned or unknown';

CREATE TABLE runs (
    run_id VARCHAR NOT NULL PRIMARY KEY,
    suite VARCHAR,
    version VARCHAR,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    wall_seconds DOUBLE,
    exit_code INTEGER,
    exit_reason VARCHAR,
    flow_run_id VARCHAR,
    prefect_url VARCHAR,
    options JSON
);
COMMENT ON TABLE runs IS 'One execution of a suite each';
COMMENT ON COLUMN runs.run_id IS 'Its id';
COMMENT ON COLUMN runs.suite IS 'Name of the suite';
COMMENT ON COLUMN runs.version IS 'Version of PulseQ that started it';
COMMENT ON COLUMN runs.started_at IS 'When it first started; a resume does not change it';
COMMENT ON COLUMN runs.finished_at IS 'When it ended; NULL while it goes on, or after it was killed';
COMMENT ON COLUMN runs.wall_seconds IS 'Seconds from its start to its end, as last reported; NULL as for finished_at';
COMMENT ON COLUMN runs.exit_code IS 'Exit code of the command; NULL as for finished_at';
COMMENT ON COLUMN runs.exit_reason IS 'The word for the exit code: passed, failed, interrupted, …';
COMMENT ON COLUMN runs.flow_run_id IS 'Prefect''s id of the flow run';
COMMENT ON COLUMN runs.prefect_url IS 'Where Prefect shows the flow run; NULL when no UI does';
COMMENT ON COLUMN runs.options IS 'What a resume needs to repeat it';

CREATE TABLE run_notes (
    run_id VARCHAR NOT NULL,
    seq BIGINT NOT NULL,
    noted_at TIMESTAMPTZ,
    text VARCHAR
);
COMMENT ON TABLE run_notes IS 'Lines that a run told whoever watched it';
COMMENT ON COLUMN run_notes.run_id IS 'The run';
COMMENT ON COLUMN run_notes.seq IS 'Number of the event within the run';
COMMENT ON COLUMN run_notes.noted_at IS 'When it was said';
COMMENT ON COLUMN run_notes.text IS 'The line';

CREATE TABLE nodes (
    run_id VARCHAR NOT NULL,
    node_id VARCHAR NOT NULL,
    host VARCHAR,
    slots INTEGER,
    capabilities JSON,
    joined_at TIMESTAMPTZ
);
COMMENT ON TABLE nodes IS 'The nodes that took part in a run, as they last joined it';
COMMENT ON COLUMN nodes.run_id IS 'The run';
COMMENT ON COLUMN nodes.node_id IS 'Id of the node';
COMMENT ON COLUMN nodes.host IS 'Host name or address';
COMMENT ON COLUMN nodes.slots IS 'Tests it runs at once';
COMMENT ON COLUMN nodes.capabilities IS 'All its capabilities, declared and read off the machine: capabilities->>''os''';
COMMENT ON COLUMN nodes.joined_at IS 'When it joined';

CREATE TABLE node_health (
    run_id VARCHAR,
    seq BIGINT NOT NULL,
    node_id VARCHAR NOT NULL,
    seen_at TIMESTAMPTZ,
    event VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    why VARCHAR,
    scheduler VARCHAR,
    address VARCHAR,
    latency DOUBLE,
    heartbeat_age DOUBLE,
    load DOUBLE,
    memory_available BIGINT,
    memory_total BIGINT,
    disk_free BIGINT,
    disk_total BIGINT,
    slots INTEGER,
    running INTEGER
);
COMMENT ON TABLE node_health IS 'How nodes did: each look at one, within runs and by the node_health flow, and each arrival and loss that a run saw';
COMMENT ON COLUMN node_health.run_id IS 'The run that saw it; NULL for a look of the node_health flow';
COMMENT ON COLUMN node_health.seq IS 'Number of the event within its journal';
COMMENT ON COLUMN node_health.node_id IS 'Id of the node';
COMMENT ON COLUMN node_health.seen_at IS 'When';
COMMENT ON COLUMN node_health.event IS 'poll for a look; joined, lost for what a run heard of it';
COMMENT ON COLUMN node_health.status IS 'active, suspect or inactive';
COMMENT ON COLUMN node_health.why IS 'Why it was not active';
COMMENT ON COLUMN node_health.scheduler IS 'Address of the scheduler that was asked';
COMMENT ON COLUMN node_health.address IS 'Where the node listens; another one than before is another process';
COMMENT ON COLUMN node_health.latency IS 'Seconds from a question to the node to its answer; NULL when there was none in time';
COMMENT ON COLUMN node_health.heartbeat_age IS 'Seconds since the scheduler last heard of it';
COMMENT ON COLUMN node_health.load IS 'Load average of its machine over a minute';
COMMENT ON COLUMN node_health.memory_available IS 'Bytes of memory of its machine that can be had';
COMMENT ON COLUMN node_health.memory_total IS 'Bytes of memory of its machine';
COMMENT ON COLUMN node_health.disk_free IS 'Free bytes on the disk that its tests write to';
COMMENT ON COLUMN node_health.disk_total IS 'Bytes of that disk';
COMMENT ON COLUMN node_health.slots IS 'Tests it runs at once';
COMMENT ON COLUMN node_health.running IS 'Dispatches it was at: tests of a suite, or packs of short pytest items';

CREATE TABLE tests (
    run_id VARCHAR NOT NULL,
    test_id VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    name VARCHAR,
    body VARCHAR,
    priority VARCHAR,
    location VARCHAR,
    expected_seconds DOUBLE,
    requirements JSON
);
COMMENT ON TABLE tests IS 'The tests that a run accepted, with or without a verdict yet';
COMMENT ON COLUMN tests.run_id IS 'The run';
COMMENT ON COLUMN tests.test_id IS 'Id of the test';
COMMENT ON COLUMN tests.variant IS 'The same test on another capability set; empty for the only one';
COMMENT ON COLUMN tests.name IS 'Name for people';
COMMENT ON COLUMN tests.body IS 'command, call, pytest, http or simulate';
COMMENT ON COLUMN tests.priority IS 'low, medium, high or critical';
COMMENT ON COLUMN tests.location IS 'file:line where known';
COMMENT ON COLUMN tests.expected_seconds IS 'Duration that the plan reckoned with; NULL where nothing was known';
COMMENT ON COLUMN tests.requirements IS 'What it asks of a node';

CREATE TABLE running (
    run_id VARCHAR NOT NULL,
    test_id VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    node_id VARCHAR,
    task_run_id VARCHAR,
    noted_at TIMESTAMPTZ
);
COMMENT ON TABLE running IS 'Attempts that started and have no result yet';
COMMENT ON COLUMN running.run_id IS 'The run';
COMMENT ON COLUMN running.test_id IS 'Id of the test';
COMMENT ON COLUMN running.variant IS 'Variant of the test';
COMMENT ON COLUMN running.attempt IS 'Number of the attempt, from 1';
COMMENT ON COLUMN running.node_id IS 'Where it runs';
COMMENT ON COLUMN running.task_run_id IS 'Prefect''s id of the task run that carries it';
COMMENT ON COLUMN running.noted_at IS 'When the run heard of it';

CREATE TABLE attempts (
    run_id VARCHAR NOT NULL,
    test_id VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    node_id VARCHAR,
    status VARCHAR NOT NULL,
    reason VARCHAR,
    started_at TIMESTAMPTZ,
    duration DOUBLE,
    queue_seconds DOUBLE,
    error VARCHAR,
    output VARCHAR,
    output_bytes BIGINT,
    exit_code INTEGER,
    signal INTEGER,
    metrics MAP(VARCHAR, DOUBLE),
    simulated BOOLEAN,
    leaked_processes INTEGER,
    warnings VARCHAR[],
    task_run_id VARCHAR
);
COMMENT ON TABLE attempts IS 'Each start of a test on a node that has a result; one row per run, test, variant and attempt';
COMMENT ON COLUMN attempts.run_id IS 'The run';
COMMENT ON COLUMN attempts.test_id IS 'Id of the test';
COMMENT ON COLUMN attempts.variant IS 'Variant of the test';
COMMENT ON COLUMN attempts.attempt IS 'Its number, from 1';
COMMENT ON COLUMN attempts.node_id IS 'Where it ran';
COMMENT ON COLUMN attempts.status IS 'passed, failed, error or skipped';
COMMENT ON COLUMN attempts.reason IS 'Why it did not simply pass';
COMMENT ON COLUMN attempts.started_at IS 'When its body started, by the node''s clock';
COMMENT ON COLUMN attempts.duration IS 'Seconds from the start of the body to its end';
COMMENT ON COLUMN attempts.queue_seconds IS 'Seconds from when it could have started until it did';
COMMENT ON COLUMN attempts.error IS 'Why it is not passed, for a person to read';
COMMENT ON COLUMN attempts.output IS 'Head and tail of what the body wrote';
COMMENT ON COLUMN attempts.output_bytes IS 'How much it wrote in all';
COMMENT ON COLUMN attempts.exit_code IS 'Exit code of the body''s process';
COMMENT ON COLUMN attempts.signal IS 'Signal that ended the body''s process';
COMMENT ON COLUMN attempts.metrics IS 'Measured and reported values: duration, response_time, memory_usage (MB), cpu_usage (%), …';
COMMENT ON COLUMN attempts.simulated IS 'A stand-in ran instead of a body';
COMMENT ON COLUMN attempts.leaked_processes IS 'Processes that the body left behind and that were killed';
COMMENT ON COLUMN attempts.warnings IS 'What a person should hear of';
COMMENT ON COLUMN attempts.task_run_id IS 'Prefect''s id of the task run that carried it; a pack shares one';

CREATE TABLE late_attempts AS FROM attempts;
COMMENT ON TABLE late_attempts IS 'Results that came home after their attempt had been given up (node_lost, cancelled): kept, never counted; columns as in attempts';
COMMENT ON COLUMN late_attempts.run_id IS 'The run';
COMMENT ON COLUMN late_attempts.test_id IS 'Id of the test';
COMMENT ON COLUMN late_attempts.variant IS 'Variant of the test';
COMMENT ON COLUMN late_attempts.attempt IS 'Its number, from 1';
COMMENT ON COLUMN late_attempts.node_id IS 'Where it ran';
COMMENT ON COLUMN late_attempts.status IS 'passed, failed, error or skipped';
COMMENT ON COLUMN late_attempts.reason IS 'Why it did not simply pass';
COMMENT ON COLUMN late_attempts.started_at IS 'When its body started, by the node''s clock';
COMMENT ON COLUMN late_attempts.duration IS 'Seconds from the start of the body to its end';
COMMENT ON COLUMN late_attempts.queue_seconds IS 'Seconds from when it could have started until it did';
COMMENT ON COLUMN late_attempts.error IS 'Why it is not passed, for a person to read';
COMMENT ON COLUMN late_attempts.output IS 'Head and tail of what the body wrote';
COMMENT ON COLUMN late_attempts.output_bytes IS 'How much it wrote in all';
COMMENT ON COLUMN late_attempts.exit_code IS 'Exit code of the body''s process';
COMMENT ON COLUMN late_attempts.signal IS 'Signal that ended the body''s process';
COMMENT ON COLUMN late_attempts.metrics IS 'Measured and reported values: duration, response_time, memory_usage (MB), cpu_usage (%), …';
COMMENT ON COLUMN late_attempts.simulated IS 'A stand-in ran instead of a body';
COMMENT ON COLUMN late_attempts.leaked_processes IS 'Processes that the body left behind and that were killed';
COMMENT ON COLUMN late_attempts.warnings IS 'What a person should hear of';
COMMENT ON COLUMN late_attempts.task_run_id IS 'Prefect''s id of the task run that carried it; a pack shares one';

CREATE TABLE verdicts (
    run_id VARCHAR NOT NULL,
    test_id VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR,
    flaky BOOLEAN NOT NULL,
    attempts INTEGER NOT NULL,
    node_id VARCHAR,
    error VARCHAR,
    closed_at TIMESTAMPTZ
);
COMMENT ON TABLE verdicts IS 'The verdict of a test and variant in a run, exactly one each';
COMMENT ON COLUMN verdicts.run_id IS 'The run';
COMMENT ON COLUMN verdicts.test_id IS 'Id of the test';
COMMENT ON COLUMN verdicts.variant IS 'Variant of the test';
COMMENT ON COLUMN verdicts.status IS 'passed, failed, error or skipped';
COMMENT ON COLUMN verdicts.reason IS 'Why it did not simply pass';
COMMENT ON COLUMN verdicts.flaky IS 'It passed after at least one failed attempt in this run';
COMMENT ON COLUMN verdicts.attempts IS 'Attempts made; the last of them decided';
COMMENT ON COLUMN verdicts.node_id IS 'Node of the deciding attempt; NULL when it never started';
COMMENT ON COLUMN verdicts.error IS 'Why it is not passed, for a person to read';
COMMENT ON COLUMN verdicts.closed_at IS 'When the run closed the test';
