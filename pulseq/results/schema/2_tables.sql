-- Version 2: what pytest tells of items, collections and sessions; what journals and rows are known again by.

ALTER TABLE attempts ADD COLUMN pytest_warnings
    STRUCT(category VARCHAR, message VARCHAR, "location" VARCHAR, "when" VARCHAR)[];
ALTER TABLE attempts ADD COLUMN xpassed VARCHAR;
ALTER TABLE attempts ADD COLUMN properties VARCHAR[][];
ALTER TABLE attempts ADD COLUMN subtests MAP(VARCHAR, BIGINT);
ALTER TABLE attempts ADD COLUMN rerun BOOLEAN DEFAULT false;
COMMENT ON COLUMN attempts.pytest_warnings IS 'Warnings that pytest recorded, one by one in the view pytest_warnings; NULL for none';
COMMENT ON COLUMN attempts.xpassed IS 'Why a test that passed was expected to fail, may be empty; NULL for all others';
COMMENT ON COLUMN attempts.properties IS 'Recorded [kind, name, value], one by one in the view properties; NULL for none';
COMMENT ON COLUMN attempts.subtests IS 'How many subtests passed, failed, skipped, xfailed; NULL for none';
COMMENT ON COLUMN attempts.rerun IS 'A plug-in of pytest made another attempt in the same start; this one decided nothing';

ALTER TABLE late_attempts ADD COLUMN pytest_warnings
    STRUCT(category VARCHAR, message VARCHAR, "location" VARCHAR, "when" VARCHAR)[];
ALTER TABLE late_attempts ADD COLUMN xpassed VARCHAR;
ALTER TABLE late_attempts ADD COLUMN properties VARCHAR[][];
ALTER TABLE late_attempts ADD COLUMN subtests MAP(VARCHAR, BIGINT);
ALTER TABLE late_attempts ADD COLUMN rerun BOOLEAN DEFAULT false;
COMMENT ON COLUMN late_attempts.pytest_warnings IS 'Warnings that pytest recorded; NULL for none';
COMMENT ON COLUMN late_attempts.xpassed IS 'Why a test that passed was expected to fail, may be empty; NULL for all others';
COMMENT ON COLUMN late_attempts.properties IS 'Recorded [kind, name, value]; NULL for none';
COMMENT ON COLUMN late_attempts.subtests IS 'How many subtests passed, failed, skipped, xfailed; NULL for none';
COMMENT ON COLUMN late_attempts.rerun IS 'A plug-in of pytest made another attempt in the same start';

CREATE TABLE collections (
    run_id VARCHAR NOT NULL,
    entry VARCHAR NOT NULL,
    node_id VARCHAR,
    items BIGINT,
    deselected BIGINT,
    warnings STRUCT(category VARCHAR, message VARCHAR, "location" VARCHAR, "when" VARCHAR)[],
    noted_at TIMESTAMPTZ
);
COMMENT ON TABLE collections IS 'What pytest collected for each entry of a run, as last told';
COMMENT ON COLUMN collections.run_id IS 'The run';
COMMENT ON COLUMN collections.entry IS 'Id of the suite''s pytest entry';
COMMENT ON COLUMN collections.node_id IS 'Where it was collected';
COMMENT ON COLUMN collections.items IS 'Items that were to be run';
COMMENT ON COLUMN collections.deselected IS 'Items that pytest collected and left out (-m, -k, --deselect, a plug-in)';
COMMENT ON COLUMN collections.warnings IS 'Warnings recorded meanwhile, one by one in the view pytest_warnings';
COMMENT ON COLUMN collections.noted_at IS 'When the run heard of it';

CREATE TABLE sessions (
    run_id VARCHAR NOT NULL,
    entry VARCHAR NOT NULL,
    node_id VARCHAR NOT NULL,
    exit_status BIGINT,
    error VARCHAR,
    summary VARCHAR,
    warnings STRUCT(category VARCHAR, message VARCHAR, "location" VARCHAR, "when" VARCHAR)[],
    properties VARCHAR[][],
    noted_at TIMESTAMPTZ
);
COMMENT ON TABLE sessions IS 'How the pytest session of an entry ended on a machine, as last told';
COMMENT ON COLUMN sessions.run_id IS 'The run';
COMMENT ON COLUMN sessions.entry IS 'Id of the suite''s pytest entry';
COMMENT ON COLUMN sessions.node_id IS 'The node that told it';
COMMENT ON COLUMN sessions.exit_status IS 'Exit status of pytest''s own';
COMMENT ON COLUMN sessions.error IS 'What went wrong at its end';
COMMENT ON COLUMN sessions.summary IS 'What plug-ins printed at its end, such as a table of coverage';
COMMENT ON COLUMN sessions.warnings IS 'Warnings that no collection and no attempt told, one by one in the view pytest_warnings';
COMMENT ON COLUMN sessions.properties IS 'Recorded for the suite: [name, value], one by one in the view properties';
COMMENT ON COLUMN sessions.noted_at IS 'When the run heard of it';

ALTER TABLE tests ADD COLUMN whole_id VARCHAR;
COMMENT ON COLUMN tests.whole_id IS 'The whole of an id that was too long to be one, up to 64 kB of it; NULL for all others';

ALTER TABLE journals ADD COLUMN first_line VARCHAR;
ALTER TABLE journals ADD COLUMN rows_count BIGINT;
ALTER TABLE journals ADD COLUMN rows_checksum VARCHAR;
COMMENT ON COLUMN journals.first_line IS 'Digest of its first line, which it is known by';
COMMENT ON COLUMN journals.rows_count IS 'How many rows of the run these tables have; NULL while it goes on';
COMMENT ON COLUMN journals.rows_checksum IS 'Checksum of these rows, after the version of DuckDB that made it; NULL as for rows_count';
