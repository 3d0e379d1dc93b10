-- Reads the lines of a batch, each kind of event from the file that a variable names, into the tables from
-- which merge.sql moves them on. Strict: a value of another type than the column's is an error.

CREATE OR REPLACE TEMP MACRO moment(seconds) AS
    CASE WHEN seconds BETWEEN -62135596800 AND 253402300799 THEN make_timestamptz(round_even(seconds * 1e6, 0)::BIGINT) END;

-- DuckDB compares all keys of a map that it makes with each other, which takes as long as to read the whole line,
-- unless it makes it of a struct: so go attempts with the metrics that the first one of the batch has.
CREATE OR REPLACE TEMP MACRO metrics_of(told) AS
    CASE WHEN json_keys(told) = getvariable('usual_metrics')
    THEN json_transform_strict(told, getvariable('usual_types'))::MAP(VARCHAR, DOUBLE)
    ELSE told::MAP(VARCHAR, DOUBLE) END;

CREATE OR REPLACE TEMP TABLE stage_tests AS
SELECT
    seq, data.test_id, data.variant, data.name, data.body, data.priority, data.location,
    data.expected_seconds, coalesce(data.requirements, '{}'::JSON) AS requirements, data.whole_id
FROM read_json(
    getvariable('test_planned'),
    format = 'newline_delimited', maximum_object_size = getvariable('longest_line')::UINTEGER,
    columns = {seq: 'BIGINT', data: 'STRUCT(
        test_id VARCHAR, variant VARCHAR, name VARCHAR, body VARCHAR, priority VARCHAR, location VARCHAR,
        expected_seconds DOUBLE, requirements JSON, whole_id VARCHAR
    )'}
);

CREATE OR REPLACE TEMP TABLE stage_started AS
SELECT
    seq, data.test_id, data.variant, data.attempt, data.node_id,
    data.task_run AS task_run_id, moment(time) AS noted_at
FROM read_json(
    getvariable('attempt_started'),
    format = 'newline_delimited', maximum_object_size = getvariable('longest_line')::UINTEGER,
    columns = {seq: 'BIGINT', time: 'DOUBLE', data: 'STRUCT(
        test_id VARCHAR, variant VARCHAR, attempt INTEGER, node_id VARCHAR, task_run VARCHAR
    )'}
);

CREATE OR REPLACE TEMP TABLE stage_attempts AS
WITH told AS (
    SELECT seq, data.result AS r, coalesce(data.result.variant, '') AS variant
    FROM read_json(
        getvariable('attempt_finished'),
        format = 'newline_delimited', maximum_object_size = getvariable('longest_line')::UINTEGER,
        columns = {seq: 'BIGINT', data: 'STRUCT(result STRUCT(
            test_id VARCHAR, attempt INTEGER, node_id VARCHAR, status VARCHAR, variant VARCHAR, reason VARCHAR,
            started_at DOUBLE, duration DOUBLE, queue_seconds DOUBLE, error VARCHAR, output VARCHAR,
            output_bytes BIGINT, exit_code INTEGER, signal INTEGER, metrics JSON, simulated BOOLEAN,
            leaked_processes INTEGER, warnings VARCHAR[],
            pytest_warnings STRUCT(category VARCHAR, message VARCHAR, "location" VARCHAR, "when" VARCHAR)[],
            xpassed VARCHAR, properties VARCHAR[][], subtests JSON, rerun BOOLEAN
        ))'}
    )
)
SELECT
    told.seq, false AS late, r.test_id, told.variant, r.attempt, r.node_id, r.status, r.reason,
    moment(coalesce(r.started_at, 0)) AS started_at, coalesce(r.duration, 0) AS duration,
    coalesce(r.queue_seconds, 0) AS queue_seconds, r.error, coalesce(r.output, '') AS output,
    coalesce(r.output_bytes, 0) AS output_bytes, r.exit_code, r.signal,
    coalesce(metrics_of(r.metrics), MAP {}::MAP(VARCHAR, DOUBLE)) AS metrics, coalesce(r.simulated, false) AS simulated,
    coalesce(r.leaked_processes, 0) AS leaked_processes, coalesce(r.warnings, []::VARCHAR[]) AS warnings,
    s.task_run_id,
    nullif(r.pytest_warnings, []) AS pytest_warnings, r.xpassed, nullif(r.properties, []) AS properties,
    nullif(r.subtests::VARCHAR, '{}')::JSON::MAP(VARCHAR, BIGINT) AS subtests, coalesce(r.rerun, false) AS rerun
FROM told
LEFT JOIN stage_started AS s ON s.test_id = r.test_id AND s.variant = told.variant AND s.attempt = r.attempt;

CREATE OR REPLACE TEMP TABLE stage_verdicts AS
SELECT
    seq, data.test_id, data.variant, data.status, data.reason, data.flaky, data.attempts,
    data.node_id, data.error, moment(time) AS closed_at
FROM read_json(
    getvariable('test_closed'),
    format = 'newline_delimited', maximum_object_size = getvariable('longest_line')::UINTEGER,
    columns = {seq: 'BIGINT', time: 'DOUBLE', data: 'STRUCT(
        test_id VARCHAR, variant VARCHAR, status VARCHAR, reason VARCHAR, flaky BOOLEAN, attempts INTEGER,
        node_id VARCHAR, error VARCHAR
    )'}
);
