package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// The nouns of the cloud, as they are stored in state.json. Identifiers are UUIDs, sizes are bytes, times are UTC.

type account struct {
	ID, Name, UserID, Username string
	Admin                      bool
	Disabled                   bool
	APIKey, SecretKey          string
}

type volume struct {
	ID          string
	Seq         int64 // the internal number that some error texts show
	Name        string
	Account     string // account id
	Offering    string // disk offering id; empty for a template's root
	Type        string // ROOT or DATADISK
	State       string
	Size        int64
	VM          string `json:",omitempty"`
	Device      int64
	Attached    time.Time
	Created     time.Time
	Snapshot    string `json:",omitempty"` // created from
	Template    string `json:",omitempty"`
	Protected   bool   // deleteprotection
	Removed     bool   // expunged: the id resolves, lists do not show it
	NeverPlaced bool   // no bytes yet: no pool
}

type snapshot struct {
	ID       string
	Name     string
	Account  string
	Volume   string
	VolName  string
	VolType  string
	State    string
	Size     int64 // of the volume when it was taken
	Physical int64
	Created  time.Time
	Removed  bool
}

type nic struct {
	ID, Network, IP, MAC string
	Default              bool
}

type machine struct {
	ID          string
	Seq         int64
	Name        string
	DisplayName string
	Account     string
	Offering    string // service offering id
	Template    string
	OSType      string
	State       string
	Details     map[string]string
	CPU         int64
	Speed       int64
	Memory      int64 // MiB
	UEFI        bool
	BootMode    string
	Nics        []nic
	Created     time.Time
	Updated     time.Time
	Protected   bool
	HA          bool
	Removed     bool
	Appliance   bool // the machine the product runs on: Running, never a QEMU process
}

type vmSnapshot struct {
	ID, VM, Name, State, Account string
	Created                      time.Time
}

type network struct {
	ID, Name, Text, Account string
	Offering                string
	Isolated                bool
	State                   string
	Gateway, Netmask, CIDR  string
	Created                 time.Time
	Removed                 bool
}

type tag struct {
	Resource, Type, Key, Value, Account string
}

type event struct {
	ID, Type, State, Level, Text, Account, Resource, ResourceType string
	Created                                                       time.Time
}

// job is an asynchronous job. Result is absent while it is pending, and also where the server lost it.
type job struct {
	ID, Command, Account string
	Class                string
	Status               int // 0 pending, 1 done, 2 failed
	ResultCode           int
	Result               map[string]interface{} `json:",omitempty"`
	InstanceType         string
	InstanceID           string
	Created              time.Time
	Completed            time.Time
}

const (
	jobPending = 0
	jobDone    = 1
	jobFailed  = 2
)

// Volume, machine and snapshot states that rules refer to.
const (
	stAllocated    = "Allocated"
	stCreating     = "Creating"
	stReady        = "Ready"
	stAttaching    = "Attaching"
	stSnapshotting = "Snapshotting"
	stReverting    = "RevertSnapshotting"
	stResizing     = "Resizing"
	stDestroy      = "Destroy"
	stExpunging    = "Expunging"
	stExpunged     = "Expunged"

	stStopped   = "Stopped"
	stStarting  = "Starting"
	stRunning   = "Running"
	stStopping  = "Stopping"
	stDestroyed = "Destroyed"
	stError     = "Error"

	stOnPrimary  = "CreatedOnPrimary"
	stBackingUp  = "BackingUp"
	stBackedUp   = "BackedUp"
	stDestroying = "Destroying"
)

const gib = int64(1) << 30

func newUUID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // the kernel's random source does not fail
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// serial is what a guest sees of a volume: the first 20 hex digits of its UUID.
func serial(volumeID string) string { return strings.ReplaceAll(volumeID, "-", "")[:20] }

// stamp is CloudStack's date format.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-0700") }
