-- Version 5: nodes on other machines: who they are, what their links, clocks and disks are like.

ALTER TABLE nodes ADD COLUMN incarnation VARCHAR;
ALTER TABLE nodes ADD COLUMN labels JSON;
ALTER TABLE nodes ADD COLUMN clock_offset DOUBLE;
ALTER TABLE nodes ADD COLUMN clock_uncertainty DOUBLE;
COMMENT ON COLUMN nodes.incarnation IS 'Which start of its process it was: one that comes back by itself has another';
COMMENT ON COLUMN nodes.labels IS 'What else it said of itself, such as the versions of PulseQ and Python, and the way in which it came: labels->>''version''';
COMMENT ON COLUMN nodes.clock_offset IS 'Seconds that its clock was ahead of the run''s, as last measured: attempts that started there have that taken off; NULL where it was not measured, since it is the same clock or the run was over before';
COMMENT ON COLUMN nodes.clock_uncertainty IS 'Seconds that the true offset may be away from clock_offset; one that may be none is none, and nothing is taken off';

ALTER TABLE node_health ADD COLUMN incarnation VARCHAR;
ALTER TABLE node_health ADD COLUMN host VARCHAR;
ALTER TABLE node_health ADD COLUMN clock_offset DOUBLE;
ALTER TABLE node_health ADD COLUMN clock_uncertainty DOUBLE;
ALTER TABLE node_health ADD COLUMN latency_p50 DOUBLE;
ALTER TABLE node_health ADD COLUMN link_breaks INTEGER;
ALTER TABLE node_health ADD COLUMN leaked_processes INTEGER;
ALTER TABLE node_health ADD COLUMN stray_processes INTEGER;
ALTER TABLE node_health ADD COLUMN store_free BIGINT;
ALTER TABLE node_health ADD COLUMN store_total BIGINT;
ALTER TABLE node_health ADD COLUMN version VARCHAR;
ALTER TABLE node_health ADD COLUMN python VARCHAR;
ALTER TABLE node_health ADD COLUMN protocol INTEGER;
COMMENT ON COLUMN node_health.incarnation IS 'Which start of its process it was';
COMMENT ON COLUMN node_health.host IS 'Its host, as people call it';
COMMENT ON COLUMN node_health.clock_offset IS 'Seconds that its clock was ahead of that of whoever looked';
COMMENT ON COLUMN node_health.clock_uncertainty IS 'Seconds that the true offset may be away from clock_offset: half of the round trip';
COMMENT ON COLUMN node_health.latency_p50 IS 'Median of the last 16 latencies';
COMMENT ON COLUMN node_health.link_breaks IS 'How often, in the looks so far, it was not well where it had been at the look before';
COMMENT ON COLUMN node_health.leaked_processes IS 'Processes that bodies left behind there and that were killed, since its process started';
COMMENT ON COLUMN node_health.stray_processes IS 'Processes that bodies of a node of this name left behind there and that nobody has killed';
COMMENT ON COLUMN node_health.store_free IS 'Free bytes on the disk that it keeps projects on; NULL where it keeps none';
COMMENT ON COLUMN node_health.store_total IS 'Bytes of that disk';
COMMENT ON COLUMN node_health.version IS 'Version of its PulseQ';
COMMENT ON COLUMN node_health.python IS 'Version of its own interpreter';
COMMENT ON COLUMN node_health.protocol IS 'Number of the protocol that it speaks to drivers';
COMMENT ON COLUMN attempts.started_at IS 'When its body started, by the clock of the run''s driver';
COMMENT ON COLUMN late_attempts.started_at IS 'When its body started, by the clock of the run''s driver';

-- Rows have more columns than when their checksums were made.
UPDATE journals SET rows_count = NULL, rows_checksum = NULL;
