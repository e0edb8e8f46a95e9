package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"

	"migratekit/lab/vcenter/storage"
)

// prepareDisks creates the raw files of a machine in its datastore directory: copies of its guest image when there
// is one, blank files with pseudo-random ranges otherwise. It returns what the storage daemon shall serve.
func prepareDisks(m machineSpec, datastoreDir, imageDir string) ([]storage.DiskSpec, error) {
	dir := filepath.Join(datastoreDir, m.directory())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var specs []storage.DiskSpec
	for i, d := range m.Disks {
		if d.RawDevice {
			continue
		}
		base := filepath.Join(dir, m.fileBase(i))
		var err error
		if imageDir != "" && d.Image != "" {
			err = copySparse(filepath.Join(imageDir, d.Image), base+"-flat.vmdk")
		} else {
			err = createBlank(base+"-flat.vmdk", d, seedOf(m.Name, d.Key))
		}
		if err == nil {
			err = writeDescriptor(base, m.fileBase(i))
		}
		if err != nil {
			return nil, fmt.Errorf("disk %d of %s: %w", d.Key, m.Name, err)
		}
		specs = append(specs, storage.DiskSpec{Key: d.Key, Path: base + "-flat.vmdk"})
	}
	return specs, nil
}

func copySparse(from, to string) error {
	out, err := exec.Command("cp", "--sparse=always", "--reflink=auto", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return os.Chmod(to, 0o600)
}

func createBlank(path string, d diskSpec, seed int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(d.Size); err != nil {
		return err
	}
	random := rand.New(rand.NewSource(seed))
	for _, fill := range d.Fill {
		if _, err := f.Seek(fill.Offset, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(f, random, fill.Length); err != nil {
			return err
		}
	}
	return nil
}

// seedOf makes content differ between disks yet equal between runs.
func seedOf(machine string, key int32) int64 {
	seed := int64(key)
	for _, c := range machine {
		seed = seed*31 + int64(c)
	}
	return seed
}

// writeDescriptor puts the small text file beside the extent that a datastore browser would show.
func writeDescriptor(base, name string) error {
	info, err := os.Stat(base + "-flat.vmdk")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"vmfs\"\n\n"+
		"# Extent description\nRW %d VMFS \"%s-flat.vmdk\"\n", info.Size()/512, name)
	return os.WriteFile(base+".vmdk", []byte(text), 0o600)
}

// imagesOf returns the folder of a machine's guest image, or "" when the guest is not to run or not built.
func imagesOf(m machineSpec, imagesDir string, noGuests bool) string {
	if noGuests || m.Image == "" || imagesDir == "" {
		return ""
	}
	dir := filepath.Join(imagesDir, m.Image)
	for _, d := range m.Disks {
		if _, err := os.Stat(filepath.Join(dir, d.Image)); err != nil {
			return ""
		}
	}
	return dir
}
