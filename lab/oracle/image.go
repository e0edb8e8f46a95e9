package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// An image is what the oracle reads: a file, a block device or an export of an NBD server. Offsets and sizes are bytes.
type image interface {
	io.ReaderAt
	io.Closer
	Size() int64
	// NextData returns the first range at or after offset that may hold something other than zeros. A range that
	// begins at Size() means: nothing but zeros follows.
	NextData(offset int64) (start, end int64, err error)
}

// openImage opens a path, or an address of the form nbd+unix:///EXPORT?socket=PATH.
func openImage(address string) (image, error) {
	if strings.HasPrefix(address, "nbd+unix:") {
		return openNbd(address)
	}
	return openFile(address)
}

type fileImage struct {
	*os.File
	size int64
}

func openFile(path string) (image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", path)
	}
	var size int64
	if err == nil {
		size, err = file.Seek(0, io.SeekEnd) // right for block devices too, whose Stat has no size
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &fileImage{file, size}, nil
}

func (f *fileImage) Size() int64 { return f.size }

// Values of lseek(2) that Go's syscall package does not name.
const (
	seekData = 3
	seekHole = 4
)

func (f *fileImage) NextData(offset int64) (int64, int64, error) {
	start, err := syscall.Seek(int(f.Fd()), offset, seekData)
	switch err {
	case nil:
	case syscall.ENXIO: // only a hole up to the end
		return f.size, f.size, nil
	case syscall.EINVAL: // this file system or device does not know holes
		return offset, f.size, nil
	default:
		return 0, 0, fmt.Errorf("looking for data in %s: %w", f.Name(), err)
	}
	end, err := syscall.Seek(int(f.Fd()), start, seekHole)
	if err != nil {
		return 0, 0, fmt.Errorf("looking for holes in %s: %w", f.Name(), err)
	}
	return start, end, nil
}
