-- Where those events of a batch land that Python has read, flat and quick to append to.
-- Times are microseconds since 1970; maps are JSON text.

CREATE OR REPLACE TEMP TABLE stage_expanded (seq BIGINT, test_id VARCHAR, variant VARCHAR);
CREATE OR REPLACE TEMP TABLE stage_nodes (
    seq BIGINT, node_id VARCHAR, host VARCHAR, slots INTEGER, capabilities VARCHAR, joined_at BIGINT,
    incarnation VARCHAR, labels VARCHAR
);
CREATE OR REPLACE TEMP TABLE stage_node_health (
    seq BIGINT, node_id VARCHAR, seen_at BIGINT, event VARCHAR, status VARCHAR, why VARCHAR, scheduler VARCHAR,
    address VARCHAR, latency DOUBLE, heartbeat_age DOUBLE, load DOUBLE, memory_available BIGINT, memory_total BIGINT,
    disk_free BIGINT, disk_total BIGINT, slots INTEGER, running INTEGER,
    incarnation VARCHAR, host VARCHAR, clock_offset DOUBLE, clock_uncertainty DOUBLE, latency_p50 DOUBLE,
    link_breaks INTEGER, leaked_processes INTEGER, stray_processes INTEGER, store_free BIGINT, store_total BIGINT,
    version VARCHAR, python VARCHAR, protocol INTEGER
);
CREATE OR REPLACE TEMP TABLE stage_artifacts (
    seq BIGINT, test_id VARCHAR, variant VARCHAR, attempt INTEGER, node_id VARCHAR, name VARCHAR, path VARCHAR,
    bytes BIGINT, sha256 VARCHAR, media_type VARCHAR, trouble VARCHAR
);
CREATE OR REPLACE TEMP TABLE stage_run_notes (seq BIGINT, noted_at BIGINT, text VARCHAR);
CREATE OR REPLACE TEMP TABLE stage_node_marks (
    seq BIGINT, node_id VARCHAR, heard_at BIGINT, state VARCHAR, why VARCHAR, who VARCHAR, marked_at BIGINT
);
