package main

import (
	"bytes"
	"fmt"
	"io"
)

const (
	blockSize  = 64 << 10 // differences are counted in blocks of this size, the granularity of change tracking
	windowSize = 4 << 20  // read at a time; a multiple of blockSize
)

// comparison is the verdict over two images. Offsets and lengths are bytes.
type comparison struct {
	Equal           bool   `json:"equal"`
	Length          int64  `json:"length"` // how much was compared
	SizeA           int64  `json:"size_a"`
	SizeB           int64  `json:"size_b"`
	FirstDifference *int64 `json:"first_difference"` // null when equal
	DifferentBlocks int64  `json:"different_blocks"` // of 64 KiB

	lastBlock int64 // the block counted last, so that no block counts twice
}

type compareOptions struct {
	length        int64 // compare only this much; negative: all
	allowZeroTail bool  // B may be longer than A when the rest is zeros
}

// compareImages compares A with B byte by byte. What only one of the two images has counts as different, even when it
// is zeros, unless the options say otherwise. Ranges that are holes in both are equal without being read.
func compareImages(a, b image, options compareOptions) (comparison, error) {
	result := comparison{SizeA: a.Size(), SizeB: b.Size(), Length: longest(a.Size(), b.Size()), lastBlock: -1}
	if options.length >= 0 {
		result.Length = options.length
	}
	common := result.Length
	for _, size := range []int64{a.Size(), b.Size()} {
		if size < common {
			common = size
		}
	}
	if err := result.compareRange(a, b, 0, common); err != nil {
		return result, err
	}
	if options.allowZeroTail && common == a.Size() {
		inB := result.Length
		if b.Size() < inB {
			inB = b.Size()
		}
		if err := result.compareRange(a, b, common, inB); err != nil { // beyond its end A reads as zeros
			return result, err
		}
		common = inB
	}
	result.countMissing(common)
	result.Equal = result.DifferentBlocks == 0
	return result, nil
}

func longest(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

// compareRange compares from one offset to another; what an image does not have reads as zeros.
func (c *comparison) compareRange(a, b image, offset, end int64) error {
	buffers := [2][]byte{make([]byte, windowSize), make([]byte, windowSize)}
	for offset < end {
		next, err := skipZeros(a, b, offset, end)
		if err != nil {
			return err
		}
		if next >= end {
			return nil
		}
		offset = next / blockSize * blockSize // windows begin at block boundaries, so that blocks are counted alike
		length := end - offset
		if length > windowSize {
			length = windowSize
		}
		if err := c.compareWindow(a, b, offset, buffers[0][:length], buffers[1][:length]); err != nil {
			return err
		}
		offset += length
	}
	return nil
}

// skipZeros returns the first offset that may hold data in one of the images.
func skipZeros(a, b image, offset, end int64) (int64, error) {
	next := end
	for _, side := range []image{a, b} {
		if offset >= side.Size() {
			continue
		}
		start, _, err := side.NextData(offset)
		if err != nil {
			return 0, err
		}
		if start < side.Size() && start < next {
			next = start
		}
	}
	return next, nil
}

func (c *comparison) compareWindow(a, b image, offset int64, bufferA, bufferB []byte) error {
	if err := readPadded(a, "first", bufferA, offset); err != nil {
		return err
	}
	if err := readPadded(b, "second", bufferB, offset); err != nil {
		return err
	}
	if bytes.Equal(bufferA, bufferB) {
		return nil
	}
	for i := 0; i < len(bufferA); i++ {
		if bufferA[i] != bufferB[i] {
			c.count(offset + int64(i))
			i = i/blockSize*blockSize + blockSize - 1 // one difference is enough for a block
		}
	}
	return nil
}

// readPadded fills a buffer; what lies beyond the image's end reads as zeros.
func readPadded(side image, name string, buffer []byte, offset int64) error {
	available := side.Size() - offset
	if available < 0 {
		available = 0
	}
	if available > int64(len(buffer)) {
		available = int64(len(buffer))
	}
	if n, err := side.ReadAt(buffer[:available], offset); int64(n) < available {
		if err == nil || err == io.EOF {
			err = fmt.Errorf("the image became shorter while it was read")
		}
		return fmt.Errorf("reading the %s image at %d: %w", name, offset, err)
	}
	for i := available; i < int64(len(buffer)); i++ {
		buffer[i] = 0
	}
	return nil
}

// count notes a difference at an offset; a block counts once.
func (c *comparison) count(offset int64) {
	if c.FirstDifference == nil {
		c.FirstDifference = &offset
	}
	if block := offset / blockSize; block != c.lastBlock {
		c.DifferentBlocks++
		c.lastBlock = block
	}
}

// countMissing counts everything from an offset to the end: bytes that an image does not have.
func (c *comparison) countMissing(offset int64) {
	if offset >= c.Length {
		return
	}
	c.count(offset)
	last := (c.Length - 1) / blockSize
	c.DifferentBlocks += last - c.lastBlock
	c.lastBlock = last
}
