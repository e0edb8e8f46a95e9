package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	"migratekit/lab/vcenter/storage"
)

// endpoint is the file by which users of the lab find it.
type endpoint struct {
	URL               string            `json:"url"`
	Username          string            `json:"username"`
	PasswordFile      string            `json:"password_file"`
	CertificateSHA256 string            `json:"certificate_sha256"`
	CertificateFile   string            `json:"certificate_file"`
	DatacenterPath    string            `json:"datacenter_path"`
	ControlSocket     string            `json:"control_socket"`
	Machines          []endpointMachine `json:"machines"`
}

type endpointMachine struct {
	Name         string         `json:"name"`
	Moref        string         `json:"moref"`
	Path         string         `json:"path"`
	InstanceUUID string         `json:"instance_uuid"`
	Role         string         `json:"role"`
	HasGuest     bool           `json:"has_guest"`
	SerialLog    string         `json:"serial_log"`
	Disks        []endpointDisk `json:"disks"`
}

type endpointDisk struct {
	Key       int32  `json:"key"`
	LiveFile  string `json:"live_file,omitempty"`
	FolderURL string `json:"folder_url,omitempty"`
	NBDSocket string `json:"nbd_socket,omitempty"`
	NBDExport string `json:"nbd_export,omitempty"`
}

// writeEndpoint announces the running simulator; by rename, so that nobody reads half a file.
func (l *lab) writeEndpoint(certificateHash string) error {
	e := endpoint{
		URL: "https://" + l.address + "/sdk", Username: account, PasswordFile: l.passwordFile,
		CertificateSHA256: certificateHash, CertificateFile: filepath.Join(l.state, "certificate.pem"),
		DatacenterPath: l.datacenterPath(), ControlSocket: l.controlSocket(),
	}
	for _, vm := range l.machines {
		m := vm.machine
		entry := endpointMachine{Name: m.spec.Name, Moref: m.self.Value, Path: m.path, InstanceUUID: vm.Config.InstanceUuid,
			Role: m.spec.Role, HasGuest: m.imageDir != "", SerialLog: m.guest.serialLog()}
		for i, d := range m.spec.Disks {
			disk := endpointDisk{Key: d.Key}
			if !d.RawDevice {
				disk.LiveFile, disk.FolderURL = m.diskFile(i), m.folderURL(i)
				disk.NBDSocket, disk.NBDExport = m.storage.Socket(), storage.LiveExport(d.Key)
			}
			entry.Disks = append(entry.Disks, disk)
		}
		e.Machines = append(e.Machines, entry)
	}
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(l.state, "endpoint.json")
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
