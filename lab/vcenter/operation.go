package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand"
	"net/http"

	"migratekit/lab/internal/watch"
)

// maxOperationBytes bounds one write through the control channel.
const maxOperationBytes = 64 << 20

// controlOperation does to the lab what no API client could: {"op": "write"|"grow"|"power"|"snapshot"|"archive", ...},
// and what watch.Operate knows.
func (l *lab) controlOperation(w http.ResponseWriter, r *http.Request) {
	if !onlyMethod(w, r, http.MethodPost) {
		return
	}
	p, ok := readParameters(w, r)
	if !ok {
		return
	}
	// migratekit-lab says "name" to both simulators.
	name := p.text("op", p.text("name", ""))
	if answer, known, err := watch.Operate(&l.desk, &l.calls, name, p.texts()); known {
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, answer)
		return
	}
	vm := l.machineByName(p.text("machine", ""))
	if vm == nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("no machine %q", p.text("machine", ""))})
		return
	}
	operations := map[string]func(*VirtualMachine, parameters) (interface{}, error){
		"write": operateWrite, "grow": operateGrow, "power": operatePower, "snapshot": operateSnapshot,
		"archive": operateArchive}
	operation, known := operations[name]
	if !known {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "op must be write, grow, power, snapshot or archive"})
		return
	}
	result, err := operation(vm, p)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, result)
}

func diskParameter(vm *VirtualMachine, p parameters) (int32, error) {
	key, err := p.number("disk", 0)
	if err != nil {
		return 0, err
	}
	if !vm.machine.storage.Has(int32(key)) {
		return 0, fmt.Errorf("%s has no stored disk %d", vm.machine.spec.Name, key)
	}
	return int32(key), nil
}

// operateWrite puts bytes into a live disk as its guest would: "bytes_base64", or "random": true with "length" and,
// for repeatable content, "seed".
func operateWrite(vm *VirtualMachine, p parameters) (interface{}, error) {
	key, err := diskParameter(vm, p)
	if err != nil {
		return nil, err
	}
	offset, err := p.number("offset", 0)
	if err != nil {
		return nil, err
	}
	data, err := operationData(p)
	if err != nil {
		return nil, err
	}
	if err := vm.machine.storage.Write(key, offset, data); err != nil {
		return nil, err
	}
	return map[string]interface{}{"offset": offset, "length": len(data), "sha256": fmt.Sprintf("%x", sha256.Sum256(data))}, nil
}

func operationData(p parameters) ([]byte, error) {
	if !p.flag("random") {
		data, err := base64.StdEncoding.DecodeString(p.text("bytes_base64", ""))
		if err == nil && len(data) == 0 {
			err = errors.New("give bytes_base64, or random and length")
		}
		return data, err
	}
	length, err := p.number("length", 0)
	if err != nil {
		return nil, err
	}
	if length <= 0 || length > maxOperationBytes {
		return nil, fmt.Errorf("length must be between 1 and %d", maxOperationBytes)
	}
	seed, err := p.number("seed", rand.Int63())
	if err != nil {
		return nil, err
	}
	data := make([]byte, length)
	rand.New(rand.NewSource(seed)).Read(data)
	return data, nil
}

// operateGrow enlarges a disk to "capacity" bytes.
func operateGrow(vm *VirtualMachine, p parameters) (interface{}, error) {
	key, err := diskParameter(vm, p)
	if err != nil {
		return nil, err
	}
	capacity, err := p.number("capacity", 0)
	if err != nil {
		return nil, err
	}
	if err := vm.growDisk(key, capacity); err != nil {
		return nil, err
	}
	vm.publish()
	return map[string]int64{"capacity": vm.machine.storage.Capacity(key)}, nil
}

// operatePower switches a machine behind the API's back: "on", "off", or "hard", which is a power loss of the host
// and therefore restarts change tracking.
func operatePower(vm *VirtualMachine, p parameters) (interface{}, error) {
	action := p.text("action", "hard")
	var err error
	switch action {
	case "on":
		if vm.machine.expectPower(poweredOff, poweredOn) == nil {
			err = vm.powerOn()
		}
	case "off":
		vm.powerOff()
	case "hard":
		vm.powerOff()
		err = vm.resetTracking(0)
	default:
		err = fmt.Errorf("action must be on, off or hard, not %q", action)
	}
	return map[string]string{"action": action}, err
}

// operateSnapshot takes a snapshot in the role of somebody else.
func operateSnapshot(vm *VirtualMachine, p parameters) (interface{}, error) {
	ref, err := vm.addSnapshot(snapshotRequest{name: p.text("name", "foreign"),
		description: p.text("description", "made by somebody else"), foreign: true})
	if err != nil {
		return nil, err
	}
	return map[string]string{"moref": ref.Value}, nil
}
