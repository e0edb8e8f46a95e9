-- The first schema: tables and values of the inventory (section Z, contradictions resolved as CC says).
-- Portable SQL for SQLite and MariaDB: instants are *_ms BIGINT (UTC), booleans SMALLINT, JSON is text.

CREATE TABLE settings (
    name VARCHAR(191) NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    updated_ms BIGINT NOT NULL
);

CREATE TABLE access_tokens (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(191) NOT NULL UNIQUE,
    token_hash VARCHAR(64) NOT NULL UNIQUE,
    role VARCHAR(32) NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
    created_ms BIGINT NOT NULL,
    last_used_ms BIGINT
);

CREATE TABLE vmware_credentials (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(191) NOT NULL UNIQUE,
    vcenter VARCHAR(512) NOT NULL,
    username VARCHAR(191) NOT NULL,
    password_sealed TEXT NOT NULL,
    certificate_sha256 VARCHAR(128) NOT NULL,
    vcenter_uuid VARCHAR(64),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    created_by VARCHAR(191) NOT NULL,
    updated_by VARCHAR(191) NOT NULL
);

CREATE TABLE ossea_configs (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    api_url VARCHAR(512) NOT NULL,
    certificate_sha256 VARCHAR(128),
    api_key_sealed TEXT NOT NULL,
    secret_key_sealed TEXT NOT NULL,
    zone_id VARCHAR(64),
    zone_name VARCHAR(191),
    template_id VARCHAR(64),
    service_offering_id VARCHAR(64),
    disk_offering_id VARCHAR(64),
    network_id VARCHAR(64),
    test_network_id VARCHAR(64),
    oma_vm_id VARCHAR(64),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);

CREATE TABLE vm_contexts (
    context_id VARCHAR(64) NOT NULL PRIMARY KEY,
    credential_id VARCHAR(64) NOT NULL REFERENCES vmware_credentials (id),
    vcenter_uuid VARCHAR(64) NOT NULL,
    instance_uuid VARCHAR(64) NOT NULL,
    moref VARCHAR(128) NOT NULL,
    vm_name VARCHAR(255) NOT NULL,
    vm_path VARCHAR(1024) NOT NULL,
    specification TEXT NOT NULL,
    current_status VARCHAR(32) NOT NULL,
    status_ms BIGINT NOT NULL,
    status_reason TEXT,
    current_job_id VARCHAR(64),
    boot_disk_id VARCHAR(64),
    last_sync_ms BIGINT,
    last_test_ms BIGINT,
    last_test_verdict VARCHAR(32),
    version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (vcenter_uuid, instance_uuid)
);

CREATE TABLE ossea_volumes (
    volume_id VARCHAR(64) NOT NULL PRIMARY KEY,
    vm_context_id VARCHAR(64) NOT NULL,
    disk_id VARCHAR(64) NOT NULL,
    volume_name VARCHAR(255) NOT NULL,
    size_bytes BIGINT NOT NULL,
    written SMALLINT NOT NULL,
    digest VARCHAR(64),
    ossea_snapshot_id VARCHAR(191),
    snapshot_name VARCHAR(255),
    snapshot_created_at_ms BIGINT,
    snapshot_status VARCHAR(50) NOT NULL
        CHECK (snapshot_status IN ('none', 'creating', 'ready', 'failed', 'rollback_complete')),
    created_ms BIGINT NOT NULL,
    UNIQUE (vm_context_id, disk_id)
);
CREATE INDEX ossea_volumes_snapshot_id ON ossea_volumes (ossea_snapshot_id);
CREATE INDEX ossea_volumes_snapshot_status ON ossea_volumes (snapshot_status);

CREATE TABLE device_mappings (
    volume_uuid VARCHAR(64) NOT NULL PRIMARY KEY REFERENCES ossea_volumes (volume_id) ON DELETE CASCADE,
    vm_context_id VARCHAR(64) NOT NULL,
    operation_mode VARCHAR(16) NOT NULL CHECK (operation_mode IN ('oma', 'failover')),
    vm_id VARCHAR(64) NOT NULL,
    device_id BIGINT,
    device_path VARCHAR(255),
    persistent_device_name VARCHAR(255),
    symlink_path VARCHAR(1024),
    updated_ms BIGINT NOT NULL
);

CREATE TABLE write_sessions (
    session_id VARCHAR(64) NOT NULL PRIMARY KEY,
    job_id VARCHAR(64) NOT NULL,
    volume_id VARCHAR(64) NOT NULL REFERENCES ossea_volumes (volume_id) ON DELETE CASCADE,
    kind VARCHAR(16) NOT NULL CHECK (kind IN ('direct', 'staged')),
    state VARCHAR(16) NOT NULL CHECK (state IN ('open', 'committing', 'committed', 'aborted')),
    length_bytes BIGINT NOT NULL,
    target_is_zero SMALLINT NOT NULL,
    overlay_path VARCHAR(1024),
    digest VARCHAR(64),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (job_id, volume_id)
);

CREATE TABLE nbd_exports (
    session_id VARCHAR(64) NOT NULL PRIMARY KEY REFERENCES write_sessions (session_id) ON DELETE CASCADE,
    volume_uuid VARCHAR(64) NOT NULL REFERENCES device_mappings (volume_uuid) ON DELETE CASCADE,
    export_name VARCHAR(191) NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL
);

CREATE TABLE volume_operations (
    operation_id VARCHAR(64) NOT NULL PRIMARY KEY,
    kind VARCHAR(64) NOT NULL,
    object_id VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'interrupted')),
    result TEXT,
    error TEXT,
    created_ms BIGINT NOT NULL,
    completed_ms BIGINT
);

CREATE TABLE vm_disks (
    vm_context_id VARCHAR(64) NOT NULL REFERENCES vm_contexts (context_id) ON DELETE CASCADE,
    disk_id VARCHAR(64) NOT NULL,
    position BIGINT NOT NULL,
    label VARCHAR(255) NOT NULL,
    capacity_bytes BIGINT NOT NULL,
    backing_uuid VARCHAR(64) NOT NULL,
    is_boot SMALLINT NOT NULL,
    volume_id VARCHAR(64),
    bytes_total BIGINT NOT NULL,
    bytes_done BIGINT NOT NULL,
    PRIMARY KEY (vm_context_id, disk_id)
);

CREATE TABLE vm_specification_history (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    vm_context_id VARCHAR(64) NOT NULL REFERENCES vm_contexts (context_id) ON DELETE CASCADE,
    job_id VARCHAR(64),
    specification TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE replication_jobs (
    job_id VARCHAR(64) NOT NULL PRIMARY KEY,
    vm_context_id VARCHAR(64) NOT NULL REFERENCES vm_contexts (context_id) ON DELETE CASCADE,
    replication_type VARCHAR(32) NOT NULL,
    status VARCHAR(32) NOT NULL,
    current_operation VARCHAR(255) NOT NULL,
    vma_sync_type VARCHAR(32) NOT NULL,
    vma_eta_seconds BIGINT,
    bytes_total BIGINT NOT NULL,
    bytes_done BIGINT NOT NULL,
    bytes_sent BIGINT NOT NULL,
    bytes_zeroed BIGINT NOT NULL,
    bytes_per_second BIGINT NOT NULL,
    heartbeat_ms BIGINT,
    error_message TEXT,
    created_ms BIGINT NOT NULL,
    completed_ms BIGINT
);
CREATE INDEX replication_jobs_vm ON replication_jobs (vm_context_id, created_ms);

CREATE TABLE recovery_points (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    vm_context_id VARCHAR(64) NOT NULL REFERENCES vm_contexts (context_id) ON DELETE CASCADE,
    job_id VARCHAR(64) NOT NULL UNIQUE,
    snapshot_ms BIGINT NOT NULL,
    consistency VARCHAR(32) NOT NULL,
    state VARCHAR(16) NOT NULL CHECK (state IN ('committed', 'applied')),
    created_ms BIGINT NOT NULL
);
CREATE INDEX recovery_points_vm ON recovery_points (vm_context_id, created_ms);

CREATE TABLE recovery_point_disks (
    recovery_point_id VARCHAR(64) NOT NULL REFERENCES recovery_points (id) ON DELETE CASCADE,
    disk_id VARCHAR(64) NOT NULL,
    volume_id VARCHAR(64) NOT NULL,
    change_id VARCHAR(255) NOT NULL,
    backing_uuid VARCHAR(64) NOT NULL,
    capacity_bytes BIGINT NOT NULL,
    incremental SMALLINT NOT NULL,
    bytes_changed BIGINT NOT NULL,
    bytes_sent BIGINT NOT NULL,
    digest VARCHAR(64),
    PRIMARY KEY (recovery_point_id, disk_id)
);

CREATE TABLE cbt_history (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    vm_context_id VARCHAR(64) NOT NULL REFERENCES vm_contexts (context_id) ON DELETE CASCADE,
    disk_id VARCHAR(64) NOT NULL,
    change_id VARCHAR(255) NOT NULL,
    job_id VARCHAR(64) NOT NULL,
    sync_success SMALLINT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE failover_jobs (
    job_id VARCHAR(191) NOT NULL PRIMARY KEY,
    vm_context_id VARCHAR(64) NOT NULL REFERENCES vm_contexts (context_id) ON DELETE CASCADE,
    job_type VARCHAR(50) NOT NULL CHECK (job_type IN ('test', 'live')),
    status VARCHAR(50) NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cleanup', 'rolled_back')),
    source_vm_name VARCHAR(255) NOT NULL,
    source_vm_spec TEXT NOT NULL,
    recovery_point_id VARCHAR(64),
    destination_vm_id VARCHAR(64),
    destination_vm_name VARCHAR(255),
    network_mappings TEXT NOT NULL,
    test_duration_s BIGINT,
    auto_cleanup SMALLINT NOT NULL,
    boot_verdict VARCHAR(32),
    boot_evidence TEXT,
    verdict VARCHAR(32),
    verdict_note TEXT,
    error_message TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    started_ms BIGINT,
    completed_ms BIGINT
);
CREATE INDEX failover_jobs_vm ON failover_jobs (vm_context_id, created_ms);

CREATE TABLE job_tracking (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    job_type VARCHAR(32) NOT NULL CHECK (job_type IN ('migration', 'test-failover', 'live-failover', 'cleanup')),
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
CREATE INDEX job_tracking_created ON job_tracking (created_ms);
CREATE INDEX job_tracking_vm ON job_tracking (vm_context_id, created_ms);

CREATE TABLE job_steps (
    job_id VARCHAR(64) NOT NULL REFERENCES job_tracking (id) ON DELETE CASCADE,
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

CREATE TABLE log_events (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    job_id VARCHAR(64) NOT NULL REFERENCES job_tracking (id) ON DELETE CASCADE,
    step_order BIGINT,
    correlation_id VARCHAR(64) NOT NULL,
    external_job_id VARCHAR(191),
    level VARCHAR(8) NOT NULL CHECK (level IN ('DEBUG', 'INFO', 'WARN', 'ERROR')),
    message TEXT NOT NULL,
    fields TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX log_events_job ON log_events (job_id, id);
CREATE INDEX log_events_external ON log_events (external_job_id);

CREATE TABLE ledger (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    site VARCHAR(16) NOT NULL CHECK (site IN ('source', 'target')),
    kind VARCHAR(32) NOT NULL,
    name VARCHAR(255) NOT NULL,
    object_id VARCHAR(191),
    vm_context_id VARCHAR(64),
    job_id VARCHAR(64),
    state VARCHAR(16) NOT NULL CHECK (state IN ('intended', 'present', 'gone')),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX ledger_state ON ledger (state, kind);

CREATE TABLE network_mappings (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    source_network VARCHAR(255) NOT NULL UNIQUE,
    live_network_id VARCHAR(64),
    live_network_name VARCHAR(255),
    test_network_id VARCHAR(64),
    test_network_name VARCHAR(255),
    updated_ms BIGINT NOT NULL
);
