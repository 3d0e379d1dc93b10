-- After odd.sql, where it has found any: of the odd tests only that stays staged which still holds at the end of
-- the batch, by the rules that merge.sql has between batches.

-- An entry that became tests of its own leaves nothing of what was told before.
DELETE FROM stage_tests AS s USING stage_expanded AS e
WHERE s.test_id = e.test_id AND s.variant = e.variant AND s.seq < e.seq;
DELETE FROM stage_started AS s USING stage_expanded AS e
WHERE s.test_id = e.test_id AND s.variant = e.variant AND s.seq < e.seq;
DELETE FROM stage_attempts AS s USING stage_expanded AS e
WHERE s.test_id = e.test_id AND s.variant = e.variant AND s.seq < e.seq;
DELETE FROM stage_verdicts AS s USING stage_expanded AS e
WHERE s.test_id = e.test_id AND s.variant = e.variant AND s.seq < e.seq;

-- The first plan stays, and the last verdict.
DELETE FROM stage_tests WHERE rowid IN (
    SELECT rowid FROM stage_tests SEMI JOIN odd_keys USING (test_id, variant)
    QUALIFY row_number() OVER (PARTITION BY test_id, variant ORDER BY seq) > 1
);
DELETE FROM stage_verdicts WHERE rowid IN (
    SELECT rowid FROM stage_verdicts SEMI JOIN odd_keys USING (test_id, variant)
    QUALIFY row_number() OVER (PARTITION BY test_id, variant ORDER BY seq DESC) > 1
);

-- A result is of the task run that the last start before it told, and late once its attempt was given up. The last
-- one stays of those that are late and of those that are not. (read_events.sql has a row of it for each start.)
CREATE OR REPLACE TEMP TABLE odd_attempts AS
SELECT a.* REPLACE (
    s.task_run_id AS task_run_id,
    coalesce(bool_or(a.reason IN ('node_lost', 'cancelled')) OVER (
        PARTITION BY a.test_id, a.variant, a.attempt ORDER BY a.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), false) AS late
)
FROM (SELECT DISTINCT ON (test_id, variant, attempt, seq) * FROM stage_attempts SEMI JOIN odd_keys USING (test_id, variant)) AS a
ASOF LEFT JOIN stage_started AS s
    ON s.test_id = a.test_id AND s.variant = a.variant AND s.attempt = a.attempt AND s.seq < a.seq;
DELETE FROM stage_attempts AS s USING odd_keys AS o WHERE s.test_id = o.test_id AND s.variant = o.variant;
INSERT INTO stage_attempts FROM odd_attempts
QUALIFY row_number() OVER (PARTITION BY test_id, variant, attempt, late ORDER BY seq DESC) = 1;

-- Of what began several times the last start may still run.
DELETE FROM stage_started WHERE rowid IN (
    SELECT rowid FROM stage_started SEMI JOIN odd_keys USING (test_id, variant)
    QUALIFY row_number() OVER (PARTITION BY test_id, variant, attempt ORDER BY seq DESC) > 1
);
