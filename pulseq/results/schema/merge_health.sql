-- After stage.sql: looks and marks of nodes that no run took, those that are not there yet. It answers how many looks.

INSERT INTO node_marks BY NAME
SELECT DISTINCT ON (node_id, state, marked_at)
    s.* REPLACE (make_timestamptz(s.heard_at) AS heard_at, make_timestamptz(s.marked_at) AS marked_at)
FROM stage_node_marks AS s
-- One that was seen again is the same.
ANTI JOIN (FROM node_marks WHERE run_id IS NULL) AS h
    ON h.node_id = s.node_id AND h.state = s.state AND h.marked_at IS NOT DISTINCT FROM make_timestamptz(s.marked_at)
ORDER BY s.seq;
INSERT INTO node_health BY NAME
SELECT s.* REPLACE (make_timestamptz(s.seen_at) AS seen_at)
FROM stage_node_health AS s
ANTI JOIN (FROM node_health WHERE run_id IS NULL) AS h
    ON h.seq = s.seq AND h.node_id = s.node_id AND h.seen_at = make_timestamptz(s.seen_at);
