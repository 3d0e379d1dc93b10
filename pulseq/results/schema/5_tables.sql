-- Version 5: what attempts left behind, and where it is.

CREATE TABLE artifacts (
    run_id VARCHAR NOT NULL,
    test_id VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    node_id VARCHAR,
    name VARCHAR NOT NULL,
    path VARCHAR,
    bytes BIGINT NOT NULL,
    sha256 VARCHAR NOT NULL,
    media_type VARCHAR,
    trouble VARCHAR
);
COMMENT ON TABLE artifacts IS 'Files that attempts left behind and that came home, or were to';
COMMENT ON COLUMN artifacts.run_id IS 'The run';
COMMENT ON COLUMN artifacts.test_id IS 'Id of the test; that of the entry for a command whose JUnit files became tests of their own';
COMMENT ON COLUMN artifacts.variant IS 'Variant of the test';
COMMENT ON COLUMN artifacts.attempt IS 'Number of the attempt, from 1';
COMMENT ON COLUMN artifacts.node_id IS 'Where it was written';
COMMENT ON COLUMN artifacts.name IS 'Its path below what it was found in: $PULSEQ_ARTIFACTS, or the cwd of the test; made safe for any disk';
COMMENT ON COLUMN artifacts.path IS 'Where it is, below runs/RUN_ID in the state directory; NULL where it did not come home';
COMMENT ON COLUMN artifacts.bytes IS 'Its size';
COMMENT ON COLUMN artifacts.sha256 IS 'SHA-256 of its content, in hex';
COMMENT ON COLUMN artifacts.media_type IS 'What it is by its name: image/png, text/plain, …';
COMMENT ON COLUMN artifacts.trouble IS 'Why it did not come home, which is a warning of the attempt too; NULL where it did';
