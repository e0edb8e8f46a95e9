package main

import (
	"strconv"
	"time"
)

// setting is one global configuration value. Names without "lab." are CloudStack's own and appear in
// listConfigurations; the "lab." ones steer the simulator and stay hidden.
type setting struct{ name, value, about string }

var defaultSettings = []setting{
	{"allow.user.expunge.recover.vm", "false", "Determines whether users can expunge or recover their vm"},
	{"allow.user.expunge.recover.volume", "true", "Determines whether users can expunge or recover their volume"},
	{"api.throttling.enabled", "false", "Enable/disable Api rate limit"},
	{"api.throttling.interval", "1", "Time interval (in seconds) to reset API count"},
	{"api.throttling.max", "25", "Max allowed number of APIs within fixed interval"},
	{"custom.diskoffering.size.max", "1024", "Maximum size in GB for custom disk offering."},
	{"custom.diskoffering.size.min", "1", "Minimum size in GB for custom disk offering."},
	{"default.page.size", "500", "Default page size for API list* commands"},
	{"enforce.post.requests.and.timestamps", "false", "Enable/Disable whether the ApiServer only accepts state changing POST requests with a timestamp"},
	{"expunge.delay", "86400", "Determines how long (in seconds) to wait before actually expunging destroyed vm."},
	{"job.expire.minutes", "1440", "Time (in minutes) for async-jobs to be kept in system"},
	{"kvm.snapshot.enabled", "false", "Whether volume snapshot is enabled on running instances on a KVM host"},
	{"snapshot.backup.to.secondary", "true", "Indicates whether to always backup primary storage snapshot to secondary storage."},
	{"storage.max.volume.size", "2000", "The maximum size for a volume (in GB)."},
	{"user.vm.readonly.details", "dataDiskController, rootDiskController", "List of read-only VM settings/details as comma separated string"},
	{"wait.detach.device", "10000", "Time (in milliseconds) to wait before assuming the VM was unable to detach a volume after the hypervisor sends the detach command"},

	{"lab.guest.memory.max", "256", "MiB: ceiling for a guest's real memory, whatever its offering says"},
	{"lab.job.step.ms", "40", "how long each step of a job lasts at least, so that transitional states can be seen"},
	{"lab.pool.managed", "false", "whether the primary storage pool counts as managed"},
	{"lab.pool.scope", "CLUSTER", "scope of the primary storage pool: CLUSTER or ZONE"},
	{"lab.power.sync.ms", "500", "how long after a guest powered itself off it is reported Stopped"},
	{"lab.snapshot.revertable", "true", "whether snapshots can be reverted on this storage"},
	{"lab.stop.wait.ms", "8000", "how long an unforced stop waits for the guest before it is killed"},
}

func settingDefault(name string) (string, bool) {
	for _, s := range defaultSettings {
		if s.name == name {
			return s.value, true
		}
	}
	return "", false
}

// setting reads a value; names come from the table above, so a miss is a programming error.
func (st *state) setting(name string) string {
	if value, set := st.Settings[name]; set {
		return value
	}
	value, known := settingDefault(name)
	if !known {
		panic("unknown setting " + name)
	}
	return value
}

func (st *state) settingOn(name string) bool { return st.setting(name) == "true" }

func (st *state) settingInt(name string) int64 {
	value, err := strconv.ParseInt(st.setting(name), 10, 64)
	if err != nil {
		fallback, _ := settingDefault(name)
		value, _ = strconv.ParseInt(fallback, 10, 64)
	}
	return value
}

func (st *state) settingMillis(name string) time.Duration {
	return time.Duration(st.settingInt(name)) * time.Millisecond
}
