package main

import (
	"regexp"
	"strconv"
	"strings"
)

var hostName63 = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// checkHostName: self is the machine that may keep its own name.
func (k *call) checkHostName(name string, self *machine) error {
	if !hostName63.MatchString(name) {
		return invalid("Invalid name. Vm name can contain ASCII letters 'a' through 'z', the digits '0' through '9', and the hyphen ('-'), " +
			"must be between 1 and 63 characters long, and can't start or end with \"-\" and can't start with digit")
	}
	for _, other := range k.st.VMs {
		if other != self && !other.Removed && strings.EqualFold(other.Name, name) {
			return invalid("The vm with hostName %s already exists in the network domain: lab.internal", name)
		}
	}
	return nil
}

// checkReadOnlyDetails: user.vm.readonly.details may not be set by ordinary users.
func (k *call) checkReadOnlyDetails(details map[string]string) error {
	if k.admin() {
		return nil
	}
	for _, name := range strings.Split(k.st.setting("user.vm.readonly.details"), ",") {
		if _, set := details[strings.TrimSpace(name)]; set {
			return invalid("You're not allowed to add or edit the read-only setting: %s", strings.TrimSpace(name))
		}
	}
	return nil
}

// size takes processors, speed and memory from the offering, or from the details where it is customized. Keys of
// details are case-sensitive.
func (k *call) size(m *machine, offering *serviceOffering, details map[string]string) error {
	m.Offering = offering.ID
	m.CPU, m.Speed, m.Memory = offering.CPU, offering.Speed, offering.Memory
	for _, part := range []struct {
		key       string
		value     *int64
		low, high int64
	}{
		{"cpuNumber", &m.CPU, offering.MinCPU, offering.MaxCPU},
		{"cpuSpeed", &m.Speed, 0, 0},
		{"memory", &m.Memory, offering.MinMemory, offering.MaxMemory},
	} {
		text, given := details[part.key]
		if !offering.Customized {
			if given {
				return invalid("cpuNumber, cpuSpeed and memory can not be specified for static service offering")
			}
			continue
		}
		if *part.value > 0 {
			if given {
				return invalid("The %s of the offering id=%s is not custom defined, it cannot be specified", part.key, offering.ID)
			}
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if !given || err != nil || n < 1 {
			return invalid("Invalid %s value, it must be specified for a custom offering", part.key)
		}
		if part.high > 0 && (n < part.low || n > part.high) {
			return invalid("Invalid %s value %d, specify a value between %d and %d", part.key, n, part.low, part.high)
		}
		*part.value = n
	}
	return nil
}

// boot reads boottype and bootmode, which belong together.
func (k *call) boot(m *machine) error {
	kind, mode := strings.ToUpper(k.p.str("boottype")), strings.ToUpper(k.p.str("bootmode"))
	switch {
	case kind == "" && mode == "":
		return nil
	case kind == "":
		return invalid("bootmode needs a boottype")
	case kind != "BIOS" && kind != "UEFI":
		return invalid("Invalid bootType %s. Valid values are: BIOS, UEFI", kind)
	case kind == "BIOS" && mode == "":
		return internal("Cannot invoke \"String.toUpperCase()\" because the boot mode is null")
	case kind == "UEFI" && mode == "":
		return invalid("bootMode must be specified for the boot type UEFI. Valid values are: LEGACY, SECURE")
	case mode != "LEGACY" && mode != "SECURE", kind == "BIOS" && mode != "LEGACY":
		return invalid("Invalid bootMode %s specified for the boot type %s", mode, kind)
	}
	m.UEFI, m.BootMode = kind == "UEFI", mode
	return nil
}
