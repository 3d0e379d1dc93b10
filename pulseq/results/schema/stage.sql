-- Where those events of a batch land that Python has read, flat and quick to append to.
-- Times are microseconds since 1970; maps, lists and objects are JSON text.

CREATE OR REPLACE TEMP TABLE odd_tests (
    seq BIGINT, test_id VARCHAR, variant VARCHAR, name VARCHAR, body VARCHAR, priority VARCHAR, location VARCHAR,
    expected_seconds DOUBLE, requirements VARCHAR, whole_id VARCHAR
);
CREATE OR REPLACE TEMP TABLE stage_expanded (test_id VARCHAR, variant VARCHAR);
CREATE OR REPLACE TEMP TABLE odd_running (
    test_id VARCHAR, variant VARCHAR, attempt INTEGER, node_id VARCHAR, task_run_id VARCHAR, noted_at BIGINT
);
CREATE OR REPLACE TEMP TABLE odd_attempts (
    seq BIGINT, late BOOLEAN,
    test_id VARCHAR, variant VARCHAR, attempt INTEGER, node_id VARCHAR, status VARCHAR, reason VARCHAR,
    started_at BIGINT, duration DOUBLE, queue_seconds DOUBLE, error VARCHAR, output VARCHAR, output_bytes BIGINT,
    exit_code INTEGER, signal INTEGER, metrics VARCHAR, simulated BOOLEAN, leaked_processes INTEGER, warnings VARCHAR,
    task_run_id VARCHAR, pytest_warnings VARCHAR, xpassed VARCHAR, properties VARCHAR, subtests VARCHAR, rerun BOOLEAN
);
CREATE OR REPLACE TEMP TABLE odd_verdicts (
    test_id VARCHAR, variant VARCHAR, status VARCHAR, reason VARCHAR, flaky BOOLEAN, attempts INTEGER,
    node_id VARCHAR, error VARCHAR, closed_at BIGINT
);
CREATE OR REPLACE TEMP TABLE stage_nodes (
    node_id VARCHAR, host VARCHAR, slots INTEGER, capabilities VARCHAR, joined_at BIGINT
);
CREATE OR REPLACE TEMP TABLE stage_node_health (
    seq BIGINT, node_id VARCHAR, seen_at BIGINT, event VARCHAR, status VARCHAR, why VARCHAR, scheduler VARCHAR,
    address VARCHAR, latency DOUBLE, heartbeat_age DOUBLE, load DOUBLE, memory_available BIGINT, memory_total BIGINT,
    disk_free BIGINT, disk_total BIGINT, slots INTEGER, running INTEGER
);
CREATE OR REPLACE TEMP TABLE stage_run_notes (seq BIGINT, noted_at BIGINT, text VARCHAR);
