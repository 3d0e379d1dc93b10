-- After merge.sql, where a run tells of artifacts: as there, what is staged replaces what has its key. What did not
-- come home is a warning of its attempt, in the words of `warn_of_missing`, whichever of the two was told first.

DELETE FROM artifacts USING stage_artifacts AS s
WHERE artifacts.run_id = getvariable('run_id')
    AND artifacts.test_id = s.test_id AND artifacts.variant = s.variant AND artifacts.attempt = s.attempt;
INSERT INTO artifacts
SELECT getvariable('run_id'), s.* EXCLUDE (seq) FROM stage_artifacts AS s
QUALIFY rank() OVER (PARTITION BY test_id, variant, attempt ORDER BY seq DESC) = 1
ORDER BY s.seq, s.rowid;

WITH missing AS (
    SELECT
        test_id, variant, attempt, trouble, min(rowid) AS first_row,
        'artifacts that did not come home: ' || array_to_string(list(name ORDER BY rowid)[:3], ', ')
        || CASE WHEN count(*) > 3 THEN ' and ' || (count(*) - 3) || ' more' ELSE '' END
        || ' (' || trouble || ')' AS warning
    FROM artifacts
    WHERE run_id = getvariable('run_id') AND trouble IS NOT NULL
    GROUP BY test_id, variant, attempt, trouble
), told AS (
    SELECT test_id, variant, attempt, list(warning ORDER BY first_row) AS warnings
    FROM missing
    GROUP BY test_id, variant, attempt
)
UPDATE attempts AS a
SET warnings = list_concat(a.warnings, list_filter(told.warnings, lambda w: NOT list_contains(a.warnings, w)))
FROM told
WHERE a.run_id = getvariable('run_id')
    AND a.test_id = told.test_id AND a.variant = told.variant AND a.attempt = told.attempt
    AND NOT list_has_all(a.warnings, told.warnings);
