-- Version 4: what people said of nodes; what attempts left behind, and where it is.

CREATE TABLE node_marks (
    run_id VARCHAR,
    seq BIGINT NOT NULL,
    node_id VARCHAR NOT NULL,
    heard_at TIMESTAMPTZ,
    state VARCHAR NOT NULL,
    why VARCHAR,
    who VARCHAR,
    marked_at TIMESTAMPTZ
);
COMMENT ON TABLE node_marks IS 'What people said of nodes: each mark that a run had or heard of, and each that the node_health flow saw';
COMMENT ON COLUMN node_marks.run_id IS 'The run that heard of it; NULL for a look of the node_health flow';
COMMENT ON COLUMN node_marks.seq IS 'Number of the event within its journal';
COMMENT ON COLUMN node_marks.node_id IS 'Id of the node';
COMMENT ON COLUMN node_marks.heard_at IS 'When the run or the flow heard of it';
COMMENT ON COLUMN node_marks.state IS 'draining or cordoned: it gets no tests; open: it gets tests again';
COMMENT ON COLUMN node_marks.why IS 'The reason, as it was given; NULL for none';
COMMENT ON COLUMN node_marks.who IS 'Who said so';
COMMENT ON COLUMN node_marks.marked_at IS 'When that was';

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
