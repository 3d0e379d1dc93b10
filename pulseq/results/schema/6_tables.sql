-- Version 6: what plug-ins of pytest count besides verdicts.

ALTER TABLE sessions ADD COLUMN categories JSON;
COMMENT ON COLUMN sessions.categories IS 'Reports in categories that plug-ins have made up (pytest_report_teststatus): [[name, count], ...], as at the end of pytest''s last line';

-- Rows have more columns than when their checksums were made.
UPDATE journals SET rows_count = NULL, rows_checksum = NULL;
