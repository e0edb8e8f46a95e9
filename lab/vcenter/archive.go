package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"migratekit/lab/vcenter/nbd"
)

// archiveChunk is how much is copied at once; all-zero chunks become holes.
const archiveChunk = 1 << 20

// operateArchive keeps, from now on, the frozen content of every snapshot of the machine beyond the snapshot's removal
// (enabled=true), so that the oracle can compare a finished copy with exactly what was frozen. The files are
// archive/<machine>/<snapshot name>/<disk key>.img in the state directory.
func operateArchive(vm *VirtualMachine, p parameters) (interface{}, error) {
	vm.machine.mu.Lock()
	defer vm.machine.mu.Unlock()
	vm.machine.archive = p.flag("enabled")
	return map[string]interface{}{"enabled": vm.machine.archive, "folder": vm.machine.archiveDir()}, nil
}

func (m *machine) archiveDir() string {
	return filepath.Join(m.lab.options.state, "archive", m.spec.Name)
}

// archiveFrozen copies what a snapshot froze, before it is given up.
func (m *machine) archiveFrozen(s *snapshotState) error {
	dir := filepath.Join(m.archiveDir(), s.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for key := range s.frozen.Disks {
		if err := m.archiveDisk(filepath.Join(dir, strconv.Itoa(int(key))+".img"), s.frozen.ID, key); err != nil {
			return fmt.Errorf("archive disk %d: %w", key, err)
		}
	}
	return nil
}

func (m *machine) archiveDisk(path string, id int, key int32) error {
	source, err := m.storage.OpenFrozen(id, key)
	if err != nil {
		return err
	}
	defer source.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := writeSparse(file, source); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func writeSparse(file *os.File, source *nbd.Conn) error {
	if err := file.Truncate(source.Size()); err != nil {
		return err
	}
	zero := make([]byte, archiveChunk)
	reader := io.NewSectionReader(source, 0, source.Size())
	buffer := make([]byte, archiveChunk)
	for offset := int64(0); offset < source.Size(); {
		n, err := io.ReadFull(reader, buffer[:min64(archiveChunk, source.Size()-offset)])
		if err != nil {
			return err
		}
		if !bytes.Equal(buffer[:n], zero[:n]) {
			if _, err := file.WriteAt(buffer[:n], offset); err != nil {
				return err
			}
		}
		offset += int64(n)
	}
	return nil
}

func min64(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
