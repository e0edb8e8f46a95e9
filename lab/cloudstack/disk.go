package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Volumes and snapshots are sparse raw files. CloudStack calls the format QCOW2; nothing outside sees the difference.

func createSparse(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// copyDisk copies a whole image, sparse and by reflink where the filesystem can. When ctx ends the copy stops where
// it is. An existing target is overwritten in place, not replaced: a loop device or guest on it sees the new bytes.
func copyDisk(ctx context.Context, from, to string) error {
	out, err := exec.CommandContext(ctx, "cp", "--sparse=always", "--reflink=auto", "--", from, to).CombinedOutput()
	if ctx.Err() != nil {
		return errServerDied
	}
	if err != nil {
		return fmt.Errorf("cp %s: %s", from, strings.TrimSpace(string(out)))
	}
	return nil
}

// copyHalf writes the first half of an image's data over the target and leaves the rest as it was: what an
// interrupted copy looks like.
func copyHalf(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	const chunk = 1 << 20
	buffer := make([]byte, chunk)
	for at := int64(0); at < info.Size()/2; {
		data, err := in.Seek(at, 3) // SEEK_DATA
		if err != nil || data >= info.Size()/2 {
			break // nothing but holes up to the middle
		}
		n, err := in.ReadAt(buffer, data)
		if err != nil && err != io.EOF {
			return err
		}
		if _, err := out.WriteAt(buffer[:n], data); err != nil {
			return err
		}
		at = data + int64(n)
	}
	return out.Sync()
}

// allocated is the number of bytes that a sparse file really takes.
func allocated(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if st, isUnix := info.Sys().(*syscall.Stat_t); isUnix {
		return st.Blocks * 512
	}
	return info.Size()
}
