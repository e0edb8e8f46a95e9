package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Extent is a run of bytes with one block-status value.
type Extent struct {
	Offset, Length int64
	Flags          uint32
}

type replyHead struct {
	flags, kind uint16
	length      uint32
}

func (c *Conn) send(command uint16, offset, length int64) error {
	c.handle++
	var head [28]byte
	binary.BigEndian.PutUint32(head[0:], requestMagic)
	binary.BigEndian.PutUint16(head[6:], command)
	binary.BigEndian.PutUint64(head[8:], c.handle)
	binary.BigEndian.PutUint64(head[16:], uint64(offset))
	binary.BigEndian.PutUint32(head[24:], uint32(length))
	_, err := c.conn.Write(head[:])
	return err
}

// reply reads one reply header; a simple reply is told as a final chunk without data.
func (c *Conn) reply() (replyHead, error) {
	var magic [4]byte
	if _, err := io.ReadFull(c.conn, magic[:]); err != nil {
		return replyHead{}, err
	}
	switch binary.BigEndian.Uint32(magic[:]) {
	case simpleMagic:
		var rest [12]byte
		if _, err := io.ReadFull(c.conn, rest[:]); err != nil {
			return replyHead{}, err
		}
		if code := binary.BigEndian.Uint32(rest[:]); code != 0 {
			return replyHead{}, fmt.Errorf("server reports error %d", code)
		}
		return replyHead{flags: chunkDone}, nil
	case structMagic:
		var rest [16]byte
		if _, err := io.ReadFull(c.conn, rest[:]); err != nil {
			return replyHead{}, err
		}
		head := replyHead{
			flags:  binary.BigEndian.Uint16(rest[0:]),
			kind:   binary.BigEndian.Uint16(rest[2:]),
			length: binary.BigEndian.Uint32(rest[12:]),
		}
		if head.kind&(1<<15) != 0 {
			return head, c.chunkError(head)
		}
		return head, nil
	}
	return replyHead{}, errors.New("garbled reply")
}

func (c *Conn) chunkError(head replyHead) error {
	data := make([]byte, head.length)
	if _, err := io.ReadFull(c.conn, data); err != nil {
		return err
	}
	if len(data) < 6 {
		return errors.New("server reports an error")
	}
	return fmt.Errorf("server reports error %d: %s", binary.BigEndian.Uint32(data), data[6:])
}

// ReadAt fills p from offset; at most 32 MiB per call.
func (c *Conn) ReadAt(p []byte, offset int64) (int, error) {
	if len(p) > maxRequest {
		return 0, errors.New("read larger than 32 MiB")
	}
	c.conn.SetDeadline(time.Now().Add(timeLimit))
	if err := c.send(cmdRead, offset, int64(len(p))); err != nil {
		return 0, err
	}
	for {
		head, err := c.reply()
		if err != nil {
			return 0, err
		}
		if err := c.readChunk(head, p, offset); err != nil {
			return 0, err
		}
		if head.flags&chunkDone != 0 {
			return len(p), nil
		}
	}
}

func (c *Conn) readChunk(head replyHead, p []byte, offset int64) error {
	switch head.kind {
	case chunkNone:
		return nil
	case chunkData, chunkHole:
		var at [8]byte
		if _, err := io.ReadFull(c.conn, at[:]); err != nil {
			return err
		}
		start := int64(binary.BigEndian.Uint64(at[:])) - offset
		length := int64(head.length) - 8
		if head.kind == chunkHole {
			var n [4]byte
			if _, err := io.ReadFull(c.conn, n[:]); err != nil {
				return err
			}
			length = int64(binary.BigEndian.Uint32(n[:]))
		}
		if start < 0 || length < 0 || start+length > int64(len(p)) {
			return errors.New("reply outside the request")
		}
		part := p[start : start+length]
		if head.kind == chunkData {
			_, err := io.ReadFull(c.conn, part)
			return err
		}
		for i := range part {
			part[i] = 0
		}
		return nil
	}
	return fmt.Errorf("unexpected chunk %d in a read", head.kind)
}

// WriteAt writes p at offset; at most 32 MiB per call.
func (c *Conn) WriteAt(p []byte, offset int64) (int, error) {
	if len(p) > maxRequest {
		return 0, errors.New("write larger than 32 MiB")
	}
	c.conn.SetDeadline(time.Now().Add(timeLimit))
	if err := c.send(cmdWrite, offset, int64(len(p))); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(p); err != nil {
		return 0, err
	}
	if _, err := c.reply(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush makes completed writes durable.
func (c *Conn) Flush() error {
	c.conn.SetDeadline(time.Now().Add(timeLimit))
	if err := c.send(cmdFlush, 0, 0); err != nil {
		return err
	}
	_, err := c.reply()
	return err
}

// Status lists the extents of the chosen meta context over the whole export.
func (c *Conn) Status() ([]Extent, error) {
	const window = 1 << 30 // one request's length has 32 bits
	var all []Extent
	for at := int64(0); at < c.Size(); {
		length := c.Size() - at
		if length > window {
			length = window
		}
		got, err := c.statusAt(at, length)
		if err != nil {
			return nil, err
		}
		for _, e := range got {
			all = append(all, e)
			at = e.Offset + e.Length
		}
	}
	return all, nil
}

func (c *Conn) statusAt(offset, length int64) ([]Extent, error) {
	c.conn.SetDeadline(time.Now().Add(timeLimit))
	if err := c.send(cmdStatus, offset, length); err != nil {
		return nil, err
	}
	var extents []Extent
	for {
		head, err := c.reply()
		if err != nil {
			return nil, err
		}
		if head.kind == chunkStatus {
			data := make([]byte, head.length)
			if _, err := io.ReadFull(c.conn, data); err != nil {
				return nil, err
			}
			extents = parseStatus(data, offset)
		}
		if head.flags&chunkDone != 0 {
			break
		}
	}
	if len(extents) == 0 {
		return nil, errors.New("empty block status")
	}
	return extents, nil
}

func parseStatus(data []byte, offset int64) []Extent {
	var extents []Extent
	for i := 4; i+8 <= len(data); i += 8 {
		length := int64(binary.BigEndian.Uint32(data[i:]))
		extents = append(extents, Extent{offset, length, binary.BigEndian.Uint32(data[i+4:])})
		offset += length
	}
	return extents
}
