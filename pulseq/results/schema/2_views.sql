-- Version 2: the views of version 1 that have more columns now, and new ones.

CREATE OR REPLACE VIEW results AS
SELECT
    v.run_id,
    r.suite,
    v.test_id,
    v.variant,
    coalesce(nullif(t.name, ''), v.test_id) AS name,
    t.body,
    coalesce(v.node_id, a.node_id) AS node_id,
    v.status,
    v.reason,
    v.flaky,
    v.attempts,
    a.duration,
    a.queue_seconds,
    a.started_at,
    coalesce(a.started_at + to_microseconds(round(least(a.duration, 1e9) * 1e6)::BIGINT), v.closed_at) AS finished_at,
    t.priority,
    coalesce(v.error, a.error) AS error,
    coalesce(a.simulated, false) AS simulated,
    a.metrics,
    CASE WHEN v.status = 'passed' THEN a.xpassed END AS xpassed
FROM verdicts AS v
LEFT JOIN attempts AS a
    ON a.run_id = v.run_id AND a.test_id = v.test_id AND a.variant = v.variant AND a.attempt = v.attempts
LEFT JOIN tests AS t
    ON t.run_id = v.run_id AND t.test_id = v.test_id AND t.variant = v.variant
LEFT JOIN runs AS r ON r.run_id = v.run_id;
COMMENT ON VIEW results IS 'The verdicts: one row per test and variant of a run';
COMMENT ON COLUMN results.run_id IS 'The run';
COMMENT ON COLUMN results.suite IS 'Name of the suite';
COMMENT ON COLUMN results.test_id IS 'Id of the test';
COMMENT ON COLUMN results.variant IS 'The same test on another capability set; empty for the only one';
COMMENT ON COLUMN results.name IS 'Name for people';
COMMENT ON COLUMN results.body IS 'command, call, pytest, http or simulate';
COMMENT ON COLUMN results.node_id IS 'Node of the deciding attempt; NULL when the test never started';
COMMENT ON COLUMN results.status IS 'passed, failed, error or skipped';
COMMENT ON COLUMN results.reason IS 'Why it did not simply pass';
COMMENT ON COLUMN results.flaky IS 'It passed after at least one failed attempt in this run';
COMMENT ON COLUMN results.attempts IS 'Attempts made; the last of them decided';
COMMENT ON COLUMN results.duration IS 'Seconds that the body of the deciding attempt took; NULL when the test never started';
COMMENT ON COLUMN results.queue_seconds IS 'Seconds that the deciding attempt could have started but waited';
COMMENT ON COLUMN results.started_at IS 'When the body of the deciding attempt started; NULL when the test never started';
COMMENT ON COLUMN results.finished_at IS 'started_at + duration; when the test was closed if it never started';
COMMENT ON COLUMN results.priority IS 'low, medium, high or critical';
COMMENT ON COLUMN results.error IS 'Why it is not passed, for a person to read';
COMMENT ON COLUMN results.simulated IS 'A stand-in ran instead of a body';
COMMENT ON COLUMN results.metrics IS 'Values of the deciding attempt: metrics[''duration'']';
COMMENT ON COLUMN results.xpassed IS 'Why a test that passed was expected to fail, may be empty; NULL for all others';

CREATE OR REPLACE VIEW run_summary AS
SELECT
    r.run_id,
    r.suite,
    coalesce(v.total_tests, 0) AS total_tests,
    coalesce(v.passed, 0) AS passed,
    coalesce(v.failed, 0) AS failed,
    coalesce(v.errors, 0) AS errors,
    coalesce(v.skipped, 0) AS skipped,
    coalesce(v.flaky, 0) AS flaky,
    coalesce(100.0::DOUBLE * v.passed / v.total_tests, 0.0) AS pass_rate,
    r.wall_seconds,
    coalesce(a.test_seconds, 0.0) AS test_seconds,
    r.prefect_url,
    coalesce(t.planned, 0) AS planned,
    r.started_at,
    r.finished_at,
    r.exit_code,
    r.exit_reason,
    coalesce(c.deselected, 0) AS deselected,
    coalesce(a.warnings, 0) + coalesce(c.warnings, 0) + coalesce(s.warnings, 0) AS warnings,
    coalesce(a.xpassed, 0) AS xpassed,
    coalesce(a.reruns, 0) AS reruns
FROM runs AS r
LEFT JOIN (
    SELECT
        run_id,
        count(*) AS total_tests,
        count(*) FILTER (status = 'passed') AS passed,
        count(*) FILTER (status = 'failed') AS failed,
        count(*) FILTER (status = 'error') AS errors,
        count(*) FILTER (status = 'skipped') AS skipped,
        count(*) FILTER (flaky) AS flaky
    FROM verdicts
    GROUP BY run_id
) AS v ON v.run_id = r.run_id
LEFT JOIN (
    SELECT
        run_id,
        fsum(duration) AS test_seconds,
        sum(len(pytest_warnings))::BIGINT AS warnings,
        count(*) FILTER (status = 'passed' AND xpassed IS NOT NULL) AS xpassed,
        count(*) FILTER (rerun) AS reruns
    FROM attempts
    GROUP BY run_id
) AS a ON a.run_id = r.run_id
LEFT JOIN (
    SELECT run_id, sum(deselected)::BIGINT AS deselected, sum(len(warnings))::BIGINT AS warnings
    FROM collections
    GROUP BY run_id
) AS c ON c.run_id = r.run_id
LEFT JOIN (SELECT run_id, sum(len(warnings))::BIGINT AS warnings FROM sessions GROUP BY run_id) AS s
    ON s.run_id = r.run_id
LEFT JOIN (SELECT run_id, count(*) AS planned FROM tests GROUP BY run_id) AS t ON t.run_id = r.run_id;
COMMENT ON VIEW run_summary IS 'One row per run, also while it goes on';
COMMENT ON COLUMN run_summary.run_id IS 'The run';
COMMENT ON COLUMN run_summary.suite IS 'Name of the suite';
COMMENT ON COLUMN run_summary.total_tests IS 'Tests with a verdict';
COMMENT ON COLUMN run_summary.passed IS 'Verdicts passed';
COMMENT ON COLUMN run_summary.failed IS 'Verdicts failed';
COMMENT ON COLUMN run_summary.errors IS 'Verdicts error';
COMMENT ON COLUMN run_summary.skipped IS 'Verdicts skipped';
COMMENT ON COLUMN run_summary.flaky IS 'Tests that passed after at least one failed attempt';
COMMENT ON COLUMN run_summary.pass_rate IS 'Percent of the verdicts that are passed; 0 without any';
COMMENT ON COLUMN run_summary.wall_seconds IS 'Seconds from start to end; NULL while it goes on';
COMMENT ON COLUMN run_summary.test_seconds IS 'Seconds that the bodies of all attempts took';
COMMENT ON COLUMN run_summary.prefect_url IS 'Where Prefect shows the flow run';
COMMENT ON COLUMN run_summary.planned IS 'Tests accepted; more than total_tests while it goes on, or after it was cut short';
COMMENT ON COLUMN run_summary.started_at IS 'When it first started';
COMMENT ON COLUMN run_summary.finished_at IS 'When it ended; NULL while it goes on';
COMMENT ON COLUMN run_summary.exit_code IS 'Exit code of the command';
COMMENT ON COLUMN run_summary.exit_reason IS 'The word for the exit code';
COMMENT ON COLUMN run_summary.deselected IS 'Items that pytest collected and left out';
COMMENT ON COLUMN run_summary.warnings IS 'Warnings that pytest recorded';
COMMENT ON COLUMN run_summary.xpassed IS 'Verdicts passed of tests that were expected to fail';
COMMENT ON COLUMN run_summary.reruns IS 'Attempts that a plug-in of pytest followed with another one';

CREATE VIEW pytest_warnings AS
SELECT
    run_id, entry, test_id, variant, attempt, node_id,
    w.category AS category, w.message AS message, w."location" AS "location", w."when" AS "when"
FROM (
    SELECT run_id, NULL::VARCHAR AS entry, test_id, variant, attempt, node_id, unnest(pytest_warnings) AS w
    FROM attempts
    UNION ALL
    SELECT run_id, entry, NULL, NULL, NULL, node_id, unnest(warnings) FROM collections
    UNION ALL
    SELECT run_id, entry, NULL, NULL, NULL, node_id, unnest(warnings) FROM sessions
);
COMMENT ON VIEW pytest_warnings IS 'One row per warning that pytest recorded';
COMMENT ON COLUMN pytest_warnings.run_id IS 'The run';
COMMENT ON COLUMN pytest_warnings.entry IS 'Id of the pytest entry whose collection or session told it; NULL where a test did';
COMMENT ON COLUMN pytest_warnings.test_id IS 'Id of the test; NULL where a collection or a session told it';
COMMENT ON COLUMN pytest_warnings.variant IS 'Variant of the test';
COMMENT ON COLUMN pytest_warnings.attempt IS 'Number of the attempt, from 1';
COMMENT ON COLUMN pytest_warnings.node_id IS 'Where it was recorded';
COMMENT ON COLUMN pytest_warnings.category IS 'Class of the warning: DeprecationWarning, …';
COMMENT ON COLUMN pytest_warnings.message IS 'What it says';
COMMENT ON COLUMN pytest_warnings."location" IS 'path:line where it was raised; may be empty';
COMMENT ON COLUMN pytest_warnings."when" IS 'config, collect or runtest; SQL wants this name in quotes';

CREATE VIEW properties AS
SELECT run_id, entry, test_id, variant, attempt, p[1] AS kind, p[2] AS name, p[3] AS value
FROM (
    SELECT run_id, NULL::VARCHAR AS entry, test_id, variant, attempt, unnest(properties) AS p FROM attempts
    UNION ALL
    SELECT run_id, entry, NULL, NULL, NULL, list_prepend('suite', unnest(properties)) FROM sessions
);
COMMENT ON VIEW properties IS 'One row per text that a test, or a suite, recorded about itself';
COMMENT ON COLUMN properties.run_id IS 'The run';
COMMENT ON COLUMN properties.entry IS 'Id of the pytest entry that recorded it; NULL where a test did';
COMMENT ON COLUMN properties.test_id IS 'Id of the test; NULL for a property of the suite';
COMMENT ON COLUMN properties.variant IS 'Variant of the test';
COMMENT ON COLUMN properties.attempt IS 'Number of the attempt, from 1';
COMMENT ON COLUMN properties.kind IS 'property (record_property), attribute (record_xml_attribute) or suite (record_testsuite_property)';
COMMENT ON COLUMN properties.name IS 'Name of the property';
COMMENT ON COLUMN properties.value IS 'Its value as text';
