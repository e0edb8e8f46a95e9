-- Figures of the data plane, verification of a copy, jobs of the type "verification".

ALTER TABLE replication_jobs ADD COLUMN bytes_wire BIGINT NOT NULL DEFAULT 0;
ALTER TABLE replication_jobs ADD COLUMN bottleneck VARCHAR(16) NOT NULL DEFAULT '';
ALTER TABLE replication_jobs ADD COLUMN attempt BIGINT NOT NULL DEFAULT 1;

ALTER TABLE recovery_points ADD COLUMN bytes_wire BIGINT NOT NULL DEFAULT 0;

ALTER TABLE recovery_point_disks ADD COLUMN bytes_read BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recovery_point_disks ADD COLUMN bytes_zeroed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recovery_point_disks ADD COLUMN bytes_skipped BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recovery_point_disks ADD COLUMN bytes_resumed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recovery_point_disks ADD COLUMN bytes_compared BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recovery_point_disks ADD COLUMN bytes_different BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recovery_point_disks ADD COLUMN bytes_verified BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recovery_point_disks ADD COLUMN digest_runs BIGINT NOT NULL DEFAULT 0;

ALTER TABLE vm_contexts ADD COLUMN verified_ms BIGINT;
ALTER TABLE vm_contexts ADD COLUMN verified_verdict VARCHAR(32);
ALTER TABLE vm_contexts ADD COLUMN verified_percent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vm_contexts ADD COLUMN compare_reason TEXT;

-- The list of job types is part of the table, and not every engine can change a check: the three tables are made anew,
-- those that refer to job_tracking with it.
CREATE TABLE job_tracking_next (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    job_type VARCHAR(32) NOT NULL
        CHECK (job_type IN ('migration', 'test-failover', 'live-failover', 'cleanup', 'verification')),
    operation VARCHAR(191) NOT NULL,
    vm_context_id VARCHAR(64),
    owner VARCHAR(191) NOT NULL,
    status VARCHAR(16) NOT NULL
        CHECK (status IN ('pending', 'running', 'completed', 'warning', 'failed', 'cancelled')),
    percent_complete BIGINT NOT NULL,
    cancel_requested SMALLINT NOT NULL,
    metadata TEXT NOT NULL,
    error TEXT,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    completed_ms BIGINT
);
INSERT INTO job_tracking_next (id, job_type, operation, vm_context_id, owner, status, percent_complete,
    cancel_requested, metadata, error, created_ms, started_ms, completed_ms)
    SELECT id, job_type, operation, vm_context_id, owner, status, percent_complete, cancel_requested, metadata, error,
        created_ms, started_ms, completed_ms FROM job_tracking;

CREATE TABLE job_steps_next (
    job_id VARCHAR(64) NOT NULL REFERENCES job_tracking_next (id) ON DELETE CASCADE,
    step_order BIGINT NOT NULL,
    step_name VARCHAR(191) NOT NULL,
    title VARCHAR(255) NOT NULL,
    weight BIGINT NOT NULL,
    status VARCHAR(16) NOT NULL
        CHECK (status IN ('pending', 'running', 'completed', 'warning', 'failed', 'skipped', 'cancelled')),
    detail TEXT,
    error_message TEXT,
    started_ms BIGINT,
    completed_ms BIGINT,
    PRIMARY KEY (job_id, step_order)
);
INSERT INTO job_steps_next (job_id, step_order, step_name, title, weight, status, detail, error_message, started_ms,
    completed_ms)
    SELECT job_id, step_order, step_name, title, weight, status, detail, error_message, started_ms, completed_ms
    FROM job_steps;

CREATE TABLE log_events_next (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    job_id VARCHAR(64) NOT NULL REFERENCES job_tracking_next (id) ON DELETE CASCADE,
    step_order BIGINT,
    correlation_id VARCHAR(64) NOT NULL,
    external_job_id VARCHAR(191),
    level VARCHAR(8) NOT NULL CHECK (level IN ('DEBUG', 'INFO', 'WARN', 'ERROR')),
    message TEXT NOT NULL,
    fields TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
INSERT INTO log_events_next (id, job_id, step_order, correlation_id, external_job_id, level, message, fields,
    created_ms)
    SELECT id, job_id, step_order, correlation_id, external_job_id, level, message, fields, created_ms
    FROM log_events;

DROP TABLE log_events;
DROP TABLE job_steps;
DROP TABLE job_tracking;
ALTER TABLE job_tracking_next RENAME TO job_tracking;
ALTER TABLE job_steps_next RENAME TO job_steps;
ALTER TABLE log_events_next RENAME TO log_events;
CREATE INDEX job_tracking_created ON job_tracking (created_ms);
CREATE INDEX job_tracking_vm ON job_tracking (vm_context_id, created_ms);
CREATE INDEX log_events_job ON log_events (job_id, id);
CREATE INDEX log_events_external ON log_events (external_job_id);
