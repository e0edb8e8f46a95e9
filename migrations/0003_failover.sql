-- Failovers that go on after a restart, tests on clones, notes of commands, what the reconciler found.

ALTER TABLE failover_jobs ADD COLUMN request TEXT;
ALTER TABLE failover_jobs ADD COLUMN rollback_at_ms BIGINT;
ALTER TABLE failover_jobs ADD COLUMN boot_observations TEXT;
UPDATE failover_jobs SET rollback_at_ms = completed_ms + test_duration_s * 1000
    WHERE job_type = 'test' AND status = 'completed' AND auto_cleanup = 1 AND completed_ms IS NOT NULL
        AND test_duration_s IS NOT NULL;

-- Volumes made from the snapshot of a replica, recorded before they exist (volume_id is known afterwards). A replica
-- does not go while one is recorded: no cascade.
CREATE TABLE volume_clones (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    volume_name VARCHAR(255) NOT NULL UNIQUE,
    volume_id VARCHAR(64) UNIQUE,
    source_volume_id VARCHAR(64) NOT NULL REFERENCES ossea_volumes (volume_id),
    ossea_snapshot_id VARCHAR(191),
    vm_context_id VARCHAR(64) NOT NULL,
    disk_id VARCHAR(64) NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX volume_clones_vm ON volume_clones (vm_context_id);
CREATE INDEX volume_clones_source ON volume_clones (source_volume_id);

-- Attachments are those of replicas and of clones: no reference to either. Exports refer to attachments, so both are
-- made anew.
CREATE TABLE device_mappings_next (
    volume_uuid VARCHAR(64) NOT NULL PRIMARY KEY,
    vm_context_id VARCHAR(64) NOT NULL,
    operation_mode VARCHAR(16) NOT NULL CHECK (operation_mode IN ('oma', 'failover')),
    vm_id VARCHAR(64) NOT NULL,
    device_id BIGINT,
    device_path VARCHAR(255),
    persistent_device_name VARCHAR(255),
    symlink_path VARCHAR(1024),
    updated_ms BIGINT NOT NULL
);
INSERT INTO device_mappings_next (volume_uuid, vm_context_id, operation_mode, vm_id, device_id, device_path,
    persistent_device_name, symlink_path, updated_ms)
    SELECT volume_uuid, vm_context_id, operation_mode, vm_id, device_id, device_path, persistent_device_name,
        symlink_path, updated_ms FROM device_mappings;
CREATE TABLE nbd_exports_next (
    session_id VARCHAR(64) NOT NULL PRIMARY KEY REFERENCES write_sessions (session_id) ON DELETE CASCADE,
    volume_uuid VARCHAR(64) NOT NULL REFERENCES device_mappings_next (volume_uuid) ON DELETE CASCADE,
    export_name VARCHAR(191) NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL
);
INSERT INTO nbd_exports_next (session_id, volume_uuid, export_name, created_ms)
    SELECT session_id, volume_uuid, export_name, created_ms FROM nbd_exports;
DROP TABLE nbd_exports;
DROP TABLE device_mappings;
ALTER TABLE device_mappings_next RENAME TO device_mappings;
ALTER TABLE nbd_exports_next RENAME TO nbd_exports;

-- One row per command that changes something outside; written before it is sent.
CREATE TABLE external_effects (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    process VARCHAR(32) NOT NULL,
    command VARCHAR(64) NOT NULL,
    object VARCHAR(255) NOT NULL,
    async_job_id VARCHAR(64),
    object_id VARCHAR(191),
    state VARCHAR(16) NOT NULL CHECK (state IN ('intended', 'submitted', 'done', 'refused', 'failed', 'unknown')),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX external_effects_object ON external_effects (object, created_ms);
CREATE INDEX external_effects_object_id ON external_effects (object_id, created_ms);
CREATE INDEX external_effects_state ON external_effects (state, process);

CREATE TABLE reconcile_findings (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    kind VARCHAR(32) NOT NULL CHECK (kind IN ('orphan', 'missing', 'changed')),
    site VARCHAR(16) NOT NULL CHECK (site IN ('source', 'target')),
    object_kind VARCHAR(32) NOT NULL,
    object_id VARCHAR(191) NOT NULL,
    object_name VARCHAR(255) NOT NULL,
    vm_context_id VARCHAR(64),
    holds_data SMALLINT NOT NULL,
    detail TEXT NOT NULL,
    action VARCHAR(32) NOT NULL,
    -- Runs that saw it: an object of which only one knows may just be in the making.
    sightings BIGINT NOT NULL,
    first_seen_ms BIGINT NOT NULL,
    last_seen_ms BIGINT NOT NULL,
    UNIQUE (kind, site, object_kind, object_id)
);
CREATE INDEX reconcile_findings_vm ON reconcile_findings (vm_context_id);

-- What a commit hands over stays in the ledger, as the operator's. The list of states is part of the table: made anew.
CREATE TABLE ledger_next (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    site VARCHAR(16) NOT NULL CHECK (site IN ('source', 'target')),
    kind VARCHAR(32) NOT NULL,
    name VARCHAR(255) NOT NULL,
    object_id VARCHAR(191),
    vm_context_id VARCHAR(64),
    job_id VARCHAR(64),
    state VARCHAR(16) NOT NULL CHECK (state IN ('intended', 'present', 'gone', 'handed_over')),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
INSERT INTO ledger_next (id, site, kind, name, object_id, vm_context_id, job_id, state, created_ms, updated_ms)
    SELECT id, site, kind, name, object_id, vm_context_id, job_id, state, created_ms, updated_ms FROM ledger;
DROP TABLE ledger;
ALTER TABLE ledger_next RENAME TO ledger;
CREATE INDEX ledger_state ON ledger (state, kind);
