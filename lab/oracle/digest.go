package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// leafSize is the part of a disk that has a digest of its own.
const leafSize = 256 << 10

// digestImage returns the volume digest of an image, or of its first length bytes when length is not negative: SHA-256
// over the XXH3-128 digests (big-endian) of its leaves of 256 KiB in order, the last one shorter.
func digestImage(side image, length int64) (string, error) {
	if length < 0 {
		length = side.Size()
	}
	if length > side.Size() {
		return "", fmt.Errorf("the image has %d bytes, fewer than the %d asked for", side.Size(), length)
	}
	if last := length % leafSize; last != 0 && last < shortestXXH3Input {
		return "", fmt.Errorf("a length of %d bytes ends in a leaf of %d; disks are whole sectors", length, last)
	}
	hash := sha256.New()
	zeroLeaf := xxh3(make([]byte, leafSize))
	buffer := make([]byte, leafSize)
	dataStart, dataEnd := int64(0), int64(0) // what was found last
	for offset := int64(0); offset < length; offset += leafSize {
		leaf := buffer
		if length-offset < leafSize {
			leaf = buffer[:length-offset]
		}
		if offset >= dataEnd {
			var err error
			if dataStart, dataEnd, err = side.NextData(offset); err != nil {
				return "", err
			}
			if dataStart >= side.Size() {
				dataEnd = side.Size() // nothing but zeros follows
			}
		}
		if len(leaf) == leafSize && offset+leafSize <= dataStart {
			hash.Write(zeroLeaf[:])
			continue
		}
		if _, err := io.ReadFull(io.NewSectionReader(side, offset, int64(len(leaf))), leaf); err != nil {
			return "", err
		}
		digest := xxh3(leaf)
		hash.Write(digest[:])
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
