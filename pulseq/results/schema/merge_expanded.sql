-- Before merge.sql, where a batch tells of expansions: an entry that became tests of its own leaves no row.
DELETE FROM tests USING stage_expanded AS s
WHERE tests.run_id = getvariable('run_id') AND tests.test_id = s.test_id AND tests.variant = s.variant;
DELETE FROM running USING stage_expanded AS s
WHERE running.run_id = getvariable('run_id') AND running.test_id = s.test_id AND running.variant = s.variant;
DELETE FROM attempts USING stage_expanded AS s
WHERE attempts.run_id = getvariable('run_id') AND attempts.test_id = s.test_id AND attempts.variant = s.variant;
DELETE FROM late_attempts USING stage_expanded AS s
WHERE late_attempts.run_id = getvariable('run_id')
    AND late_attempts.test_id = s.test_id AND late_attempts.variant = s.variant;
DELETE FROM verdicts USING stage_expanded AS s
WHERE verdicts.run_id = getvariable('run_id') AND verdicts.test_id = s.test_id AND verdicts.variant = s.variant;
