-- Moves a staged batch of one run, named by the variables run_id and run_ended, into the tables.
-- What is staged replaces what is there under the same key, so that any way of cutting a journal
-- into batches leads to the same rows.

-- A resumed run plans its tests again: the first plan stays.
INSERT INTO tests
SELECT getvariable('run_id'), s.* EXCLUDE (seq)
FROM stage_tests AS s
ANTI JOIN (SELECT test_id, variant FROM tests WHERE run_id = getvariable('run_id')) AS t
    ON t.test_id = s.test_id AND t.variant = s.variant
ORDER BY s.seq;

-- Whatever of it began and did not end in this batch still runs.
CREATE OR REPLACE TEMP TABLE stage_running AS
SELECT s.* EXCLUDE (seq)
FROM stage_started AS s
ANTI JOIN stage_attempts AS a
    ON a.test_id = s.test_id AND a.variant = s.variant AND a.attempt = s.attempt AND a.seq > s.seq
ANTI JOIN stage_verdicts AS v ON v.test_id = s.test_id AND v.variant = s.variant AND v.seq > s.seq
WHERE NOT getvariable('run_ended');

-- The start told which task run it was; it may have come in an earlier batch.
UPDATE stage_attempts AS s SET task_run_id = r.task_run_id
FROM running AS r
WHERE s.task_run_id IS NULL AND r.run_id = getvariable('run_id')
    AND r.test_id = s.test_id AND r.variant = s.variant AND r.attempt = s.attempt;
UPDATE stage_attempts AS s SET task_run_id = a.task_run_id
FROM attempts AS a
WHERE s.task_run_id IS NULL AND a.run_id = getvariable('run_id')
    AND a.test_id = s.test_id AND a.variant = s.variant AND a.attempt = s.attempt;

-- What comes home after its attempt was given up is kept apart.
UPDATE stage_attempts AS s SET late = true
FROM attempts AS a
WHERE a.run_id = getvariable('run_id') AND a.reason IN ('node_lost', 'cancelled')
    AND a.test_id = s.test_id AND a.variant = s.variant AND a.attempt = s.attempt;

DELETE FROM attempts USING stage_attempts AS s
WHERE NOT s.late AND attempts.run_id = getvariable('run_id')
    AND attempts.test_id = s.test_id AND attempts.variant = s.variant AND attempts.attempt = s.attempt;
DELETE FROM late_attempts USING stage_attempts AS s
WHERE s.late AND late_attempts.run_id = getvariable('run_id')
    AND late_attempts.test_id = s.test_id AND late_attempts.variant = s.variant AND late_attempts.attempt = s.attempt;

INSERT INTO attempts SELECT getvariable('run_id'), * EXCLUDE (seq, late) FROM stage_attempts WHERE NOT late;
INSERT INTO late_attempts SELECT getvariable('run_id'), * EXCLUDE (seq, late) FROM stage_attempts WHERE late
QUALIFY row_number() OVER (PARTITION BY test_id, variant, attempt ORDER BY seq DESC) = 1;

DELETE FROM running WHERE run_id = getvariable('run_id') AND getvariable('run_ended');
DELETE FROM running USING stage_attempts AS s
WHERE running.run_id = getvariable('run_id')
    AND running.test_id = s.test_id AND running.variant = s.variant AND running.attempt = s.attempt;
DELETE FROM running USING stage_verdicts AS s
WHERE running.run_id = getvariable('run_id') AND running.test_id = s.test_id AND running.variant = s.variant;
DELETE FROM running USING stage_running AS s
WHERE running.run_id = getvariable('run_id')
    AND running.test_id = s.test_id AND running.variant = s.variant AND running.attempt = s.attempt;
INSERT INTO running SELECT getvariable('run_id'), * FROM stage_running;

DELETE FROM verdicts USING stage_verdicts AS s
WHERE verdicts.run_id = getvariable('run_id') AND verdicts.test_id = s.test_id AND verdicts.variant = s.variant;
INSERT INTO verdicts SELECT getvariable('run_id'), * EXCLUDE (seq) FROM stage_verdicts;
