-- The tests that a batch tells more of than one plan, start, result and verdict, or in another order.
-- What they come to depends on the order: settle.sql sees to them.

CREATE OR REPLACE TEMP TABLE odd_keys AS
SELECT test_id, variant
FROM (
    SELECT test_id, variant, seq AS planned, NULL AS started, NULL AS finished, NULL AS closed FROM stage_tests
    UNION ALL
    SELECT test_id, variant, NULL, seq, NULL, NULL FROM stage_started
    UNION ALL
    SELECT test_id, variant, NULL, NULL, seq, NULL FROM stage_attempts
    UNION ALL
    SELECT test_id, variant, NULL, NULL, NULL, seq FROM stage_verdicts
)
GROUP BY test_id, variant
HAVING count(planned) > 1 OR count(started) > 1 OR count(finished) > 1 OR count(closed) > 1
    OR max(started) > min(finished) OR max(started) > min(closed) OR max(finished) > min(closed)
UNION
SELECT test_id, variant FROM stage_expanded;
