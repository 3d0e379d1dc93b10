-- Version 4: what people said of nodes.

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
