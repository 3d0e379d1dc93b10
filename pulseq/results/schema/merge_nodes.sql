-- After merge.sql, where a batch tells of nodes or notes: as there, what is staged replaces what has its key.

DELETE FROM nodes USING stage_nodes AS s WHERE nodes.run_id = getvariable('run_id') AND nodes.node_id = s.node_id;
INSERT INTO nodes BY NAME
SELECT getvariable('run_id') AS run_id, s.* EXCLUDE (seq) REPLACE (
    s.capabilities::JSON AS capabilities, make_timestamptz(s.joined_at) AS joined_at, s.labels::JSON AS labels
)
FROM stage_nodes AS s
QUALIFY row_number() OVER (PARTITION BY node_id ORDER BY seq DESC) = 1
ORDER BY min(seq) OVER (PARTITION BY node_id);
INSERT INTO node_health BY NAME
SELECT getvariable('run_id') AS run_id, s.* REPLACE (make_timestamptz(s.seen_at) AS seen_at) FROM stage_node_health AS s;
INSERT INTO run_notes
SELECT getvariable('run_id'), s.* REPLACE (make_timestamptz(s.noted_at) AS noted_at) FROM stage_run_notes AS s;
INSERT INTO node_marks
SELECT getvariable('run_id'), s.* REPLACE (
    make_timestamptz(s.heard_at) AS heard_at, make_timestamptz(s.marked_at) AS marked_at
)
FROM stage_node_marks AS s;
-- What a node's clock was is found by looks, of which the last one counts.
UPDATE nodes SET clock_offset = s.clock_offset, clock_uncertainty = s.clock_uncertainty
FROM (
    SELECT node_id, incarnation, clock_offset, clock_uncertainty
    FROM node_health
    WHERE run_id = getvariable('run_id') AND clock_offset IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY node_id, incarnation ORDER BY seq DESC) = 1
) AS s
WHERE nodes.run_id = getvariable('run_id') AND nodes.node_id = s.node_id
    AND nodes.incarnation IS NOT DISTINCT FROM s.incarnation;
