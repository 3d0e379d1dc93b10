-- After odd.sql, where it has found any: Python has the odd tests from here on.

DELETE FROM stage_tests USING odd_keys AS o WHERE stage_tests.test_id = o.test_id AND stage_tests.variant = o.variant;
DELETE FROM stage_started USING odd_keys AS o
WHERE stage_started.test_id = o.test_id AND stage_started.variant = o.variant;
DELETE FROM stage_attempts USING odd_keys AS o
WHERE stage_attempts.test_id = o.test_id AND stage_attempts.variant = o.variant;
DELETE FROM stage_verdicts USING odd_keys AS o
WHERE stage_verdicts.test_id = o.test_id AND stage_verdicts.variant = o.variant;
