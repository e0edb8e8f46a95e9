package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	beaconPartition = 1 << 20 // where the data partition of a beacon data disk begins
	beaconToolLimit = 2 * time.Minute
	ext4Magic       = 0xef53
)

// beaconVerdict is what a beacon guest must report after booting with this data disk.
type beaconVerdict struct {
	Sum   string `json:"sum"`   // first 16 hex digits of SHA-256 over the sorted file names, each with a newline
	Last  string `json:"last"`  // hash in the name of the newest file
	Seq   int64  `json:"seq"`   // its sequence number
	Files int    `json:"files"` // data files
	Bad   int    `json:"bad"`   // files whose content does not match the hash in their name
}

// beaconSum reads the data disk of a beacon guest as the guest would after a power cut: it works on a copy of the
// partition, replays the journal with e2fsck and reads the files out with debugfs. Nothing is mounted.
func beaconSum(disk image) (beaconVerdict, error) {
	work, err := os.MkdirTemp("", "lab-oracle-")
	if err != nil {
		return beaconVerdict{}, err
	}
	defer os.RemoveAll(work)
	partition := filepath.Join(work, "partition.img")
	if err := copyExt4(disk, beaconPartition, partition); err != nil {
		return beaconVerdict{}, err
	}
	// e2fsck ends with 1 or 2 when it corrected something, which a replayed journal is.
	if out, code, err := runTool("e2fsck", "-fy", partition); err != nil || code >= 4 {
		return beaconVerdict{}, fmt.Errorf("the data file system cannot be repaired (e2fsck ended with %d): %v %s", code, err, out)
	}
	content := filepath.Join(work, "content")
	if err := os.Mkdir(content, 0o700); err != nil {
		return beaconVerdict{}, err
	}
	if out, code, err := runTool("debugfs", "-R", "rdump / "+content, partition); err != nil || code != 0 {
		return beaconVerdict{}, fmt.Errorf("debugfs cannot read the data file system (%d): %v %s", code, err, out)
	}
	return judgeContent(content)
}

// copyExt4 copies the ext4 file system at an offset of the disk, as long as its superblock says.
func copyExt4(disk image, offset int64, path string) error {
	super := make([]byte, 1024)
	if disk.Size() < offset+2048 {
		return fmt.Errorf("the disk has only %d bytes; no beacon data disk", disk.Size())
	}
	if _, err := disk.ReadAt(super, offset+1024); err != nil {
		return err
	}
	if binary.LittleEndian.Uint16(super[0x38:]) != ext4Magic {
		return fmt.Errorf("no ext4 file system at offset %d; no beacon data disk", offset)
	}
	length := int64(binary.LittleEndian.Uint32(super[4:])) << (10 + binary.LittleEndian.Uint32(super[0x18:])%8)
	if offset+length > disk.Size() {
		return fmt.Errorf("the file system needs %d bytes from offset %d, but the disk ends at %d", length, offset, disk.Size())
	}
	target, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := target.Truncate(length); err != nil {
		return err
	}
	return copyData(disk, offset, length, target)
}

func copyData(disk image, offset, length int64, target *os.File) error {
	for position := offset; position < offset+length; {
		start, end, err := disk.NextData(position)
		if err != nil {
			return err
		}
		if end > offset+length {
			end = offset + length
		}
		if start < end {
			if _, err := target.Seek(start-offset, io.SeekStart); err != nil {
				return err
			}
			if _, err := io.Copy(target, io.NewSectionReader(disk, start, end-start)); err != nil {
				return err
			}
		}
		if start >= offset+length {
			break
		}
		position = end
	}
	return target.Close()
}

// runTool runs a program of e2fsprogs, which lives in a folder that ordinary users do not have on PATH.
func runTool(name string, arguments ...string) (output string, code int, err error) {
	for _, folder := range []string{"/usr/sbin", "/sbin"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			name = filepath.Join(folder, name)
			break
		}
	}
	context, stop := context.WithTimeout(context.Background(), beaconToolLimit)
	defer stop()
	text, err := exec.CommandContext(context, name, arguments...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return strings.TrimSpace(string(text)), exit.ExitCode(), nil
	}
	return strings.TrimSpace(string(text)), 0, err
}

func judgeContent(folder string) (beaconVerdict, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return beaconVerdict{}, err
	}
	verdict, names := beaconVerdict{}, []string{}
	for _, entry := range entries {
		number, hash, found := strings.Cut(entry.Name(), "-")
		seq, err := strconv.ParseInt(number, 10, 64)
		if !found || err != nil { // lost+found, a file still being written
			continue
		}
		names = append(names, entry.Name())
		if seq > verdict.Seq {
			verdict.Seq, verdict.Last = seq, hash
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return verdict, err
		}
		if digest := sha256.Sum256(content); hex.EncodeToString(digest[:8]) != hash {
			verdict.Bad++
		}
	}
	if len(names) == 0 {
		return verdict, fmt.Errorf("the data file system has no data files")
	}
	sort.Strings(names)
	digest := sha256.Sum256([]byte(strings.Join(names, "\n") + "\n"))
	verdict.Files, verdict.Sum = len(names), hex.EncodeToString(digest[:8])
	return verdict, nil
}
