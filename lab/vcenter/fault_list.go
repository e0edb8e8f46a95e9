package main

import (
	"encoding/json"
	"reflect"
	"sort"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// faultDescription is a fault of the catalogue.
type faultDescription struct {
	Name       string
	About      string
	Parameters map[string]string
	times      int // default number of occasions, 0: until cleared
}

// MarshalJSON shows it as GET /faults of both simulators does: parameters as a list with name and text.
func (d faultDescription) MarshalJSON() ([]byte, error) {
	type parameter struct {
		Name  string `json:"name"`
		About string `json:"about"`
	}
	list := []parameter{}
	for name, about := range d.Parameters {
		list = append(list, parameter{name, about})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return json.Marshal(map[string]interface{}{"name": d.Name, "about": d.About, "parameters": list})
}

const (
	paramMachine = "name of the machine; absent: any"
	paramMethod  = "API method, such as CreateSnapshot_Task; absent: any"
	paramTimes   = "how many occasions (default 1; 0: until cleared)"
)

var faultDescriptions = []faultDescription{
	{"session_expire", "all sessions end, now or after some calls", map[string]string{
		"after_calls": "authenticated calls that still work (default 0: now)", "times": paramTimes}, 1},
	{"task_in_progress", "tasks fail with TaskInProgress", map[string]string{
		"machine": paramMachine, "method": paramMethod, "times": paramTimes,
		"as": "task (the task fails, default) or fault (the call fails)"}, 1},
	{"task_fail", "a task ends in the named fault", map[string]string{
		"machine": paramMachine, "method": paramMethod, "times": paramTimes, "fault": "such as FileLocked or NoDiskSpace",
		"nth": "first matching occasion that fails, from 1"}, 1},
	{"slow_tasks", "tasks take longer and show progress", map[string]string{
		"machine": paramMachine, "method": paramMethod, "seconds": "how much longer (default 5)"}, 0},
	{"task_vanish", "the task object is gone as soon as the task has ended", map[string]string{
		"method": paramMethod, "times": paramTimes}, 1},
	{"cbt_reset", "change tracking starts anew, at once", map[string]string{
		"machine": "name of the machine", "disk": "device key; absent: all disks"}, 1},
	{"quiesce_fault", "a quiesced snapshot fails", map[string]string{
		"machine": paramMachine, "times": paramTimes, "kind": "filesystem (default) or application",
		"debris": "true: the snapshot stays behind all the same"}, 1},
	{"leave_consolidation", "removing a snapshot leaves consolidationNeeded true", map[string]string{
		"machine": paramMachine, "times": paramTimes}, 1},
	{"tools_not_running", "the guest's tools seem not to run", map[string]string{"machine": paramMachine}, 0},
	{"query_fault", "QueryChangedDiskAreas fails", map[string]string{
		"machine": paramMachine, "disk": "device key; absent: any", "times": paramTimes,
		"fault":    "FileFault (default), InvalidArgument, NotFound, ...",
		"property": "invalidProperty of an InvalidArgument (default changeId)", "nth": "first occasion that fails, from 1"}, 1},
	{"method_fault", "a call fails with the named fault", map[string]string{
		"method": "API method", "times": paramTimes, "fault": "such as NoPermission or HostCommunication",
		"privilege": "privilegeId of a NoPermission", "nth": "first occasion that fails, from 1"}, 1},
	{"drop_connection", "the connection is cut", map[string]string{
		"method": "API method, or folder for downloads; absent: any API method", "nth": "which occasion, from 1", "times": paramTimes,
		"when":        "before (default: not executed) or after (executed, answer lost)",
		"after_bytes": "folder only: bytes of the body that still arrive (default 0)"}, 1},
	{"hold", "a call is stopped until op hold_release; op hold_wait tells that it is there", map[string]string{
		"method": "API method; absent: any", "nth": "which occasion, from 1", "times": paramTimes,
		"at": "request (default: nothing done; dropped when its client is gone at the release) or answer (executed, not answered)"}, 1},
	{"http_status", "the API answers a bare HTTP status without SOAP", map[string]string{
		"status": "default 503", "method": paramMethod, "times": paramTimes, "nth": "first occasion, from 1"}, 1},
	{"folder_status", "downloads answer a bare HTTP status", map[string]string{
		"status": "default 500", "times": paramTimes, "nth": "first occasion, from 1"}, 1},
}

func faultByName(name string) (faultDescription, bool) {
	for _, d := range faultDescriptions {
		if d.Name == name {
			return d, true
		}
	}
	return faultDescription{}, false
}

// makeFault builds a fault of the API by name; names that are no method fault give RuntimeFault.
func makeFault(name string) types.BaseMethodFault {
	if kind, known := typeByName(name); known && kind.Kind() == reflect.Struct {
		if fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault); ok {
			return fault
		}
	}
	return &types.RuntimeFault{}
}

func forMachine(machine, method string) func(parameters) bool {
	return func(p parameters) bool { return p.matches("machine", machine) && p.matches("method", method) }
}

func (f *faults) taskInProgress(machine, method, as string) bool {
	_, hit := f.take("task_in_progress", func(p parameters) bool {
		return p.text("as", "task") == as && forMachine(machine, method)(p)
	})
	return hit
}

func (f *faults) taskFailure(machine, method string) types.BaseMethodFault {
	p, hit := f.take("task_fail", forMachine(machine, method))
	if !hit {
		return nil
	}
	return makeFault(p.text("fault", "RuntimeFault"))
}

func (f *faults) slowness(machine, method string) time.Duration {
	p, hit := f.holds("slow_tasks", forMachine(machine, method))
	if !hit {
		return 0
	}
	return p.seconds("seconds", 5)
}

func (f *faults) taskVanishes(method string) bool {
	_, hit := f.take("task_vanish", func(p parameters) bool { return p.matches("method", method) })
	return hit
}

func (f *faults) quiesceFault(machine string) (types.BaseMethodFault, bool) {
	p, hit := f.take("quiesce_fault", func(p parameters) bool { return p.matches("machine", machine) })
	switch {
	case !hit:
		return nil, false
	case p.text("kind", "filesystem") == "application":
		return &types.ApplicationQuiesceFault{}, p.flag("debris")
	}
	return &types.FilesystemQuiesceFault{}, p.flag("debris")
}

func (f *faults) leavesConsolidation(machine string) bool {
	_, hit := f.take("leave_consolidation", func(p parameters) bool { return p.matches("machine", machine) })
	return hit
}

func (f *faults) toolsHidden(machine string) bool {
	_, hit := f.holds("tools_not_running", func(p parameters) bool { return p.matches("machine", machine) })
	return hit
}

func (f *faults) queryFault(machine string, disk int32) types.BaseMethodFault {
	p, hit := f.take("query_fault", func(p parameters) bool {
		return p.matches("machine", machine) && p.matches("disk", itoa(int(disk)))
	})
	if !hit {
		return nil
	}
	fault := makeFault(p.text("fault", "FileFault"))
	if invalid, ok := fault.(*types.InvalidArgument); ok {
		invalid.InvalidProperty = p.text("property", "changeId")
	}
	return fault
}

func (f *faults) methodFault(method string) types.BaseMethodFault {
	p, hit := f.take("method_fault", func(p parameters) bool { return p.matches("method", method) })
	if !hit {
		return nil
	}
	fault := makeFault(p.text("fault", "RuntimeFault"))
	if denied, ok := fault.(*types.NoPermission); ok {
		denied.Object = types.ManagedObjectReference{Type: "Folder", Value: "group-d1"}
		denied.PrivilegeId = p.text("privilege", "System.View")
	}
	return fault
}
