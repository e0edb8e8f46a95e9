package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// digestImage returns the SHA-256 of an image, or of its first length bytes when length is not negative.
func digestImage(side image, length int64) (string, error) {
	if length < 0 {
		length = side.Size()
	}
	if length > side.Size() {
		return "", fmt.Errorf("the image has %d bytes, fewer than the %d asked for", side.Size(), length)
	}
	hash := sha256.New()
	buffer := make([]byte, windowSize)
	if _, err := io.CopyBuffer(hash, io.NewSectionReader(side, 0, length), buffer); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
