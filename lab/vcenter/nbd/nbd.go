// Package nbd is a minimal NBD client: read, write, flush and block status of one meta context.
//
// Contract: a Conn belongs to one goroutine at a time; offsets and lengths are bytes; every operation has a time
// limit, after which the connection must be closed. Protocol: NetworkBlockDevice/nbd doc/proto.md, fixed newstyle.
package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	clientMagic   = 0x49484156454F5054 // "IHAVEOPT"
	optionReply   = 0x3e889045565a9
	requestMagic  = 0x25609513
	simpleMagic   = 0x67446698
	structMagic   = 0x668e33ef
	optGo         = 7
	optStructured = 8
	optSetMeta    = 10
	repAck        = 1
	repInfo       = 3
	repMeta       = 4
	infoExport    = 0
	cmdRead       = 0
	cmdWrite      = 1
	cmdDisconnect = 2
	cmdFlush      = 3
	cmdStatus     = 7
	chunkNone     = 0
	chunkData     = 1
	chunkHole     = 2
	chunkStatus   = 5
	chunkDone     = 1 // flag: last chunk of a reply
	// maxRequest is the payload every server must accept without having announced block sizes.
	maxRequest = 32 << 20
	timeLimit  = 30 * time.Second
)

// Conn is an open export.
type Conn struct {
	conn   net.Conn
	size   uint64
	handle uint64
	metaID uint32
}

// Size is the length of the export in bytes.
func (c *Conn) Size() int64 { return int64(c.size) }

// Open connects to export on the unix socket; metaContext may be empty when no block status is needed.
func Open(socket, export, metaContext string) (*Conn, error) {
	raw, err := net.DialTimeout("unix", socket, timeLimit)
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: raw}
	if err := c.handshake(export, metaContext); err != nil {
		raw.Close()
		return nil, fmt.Errorf("nbd export %q: %w", export, err)
	}
	return c, nil
}

func (c *Conn) handshake(export, metaContext string) error {
	c.conn.SetDeadline(time.Now().Add(timeLimit))
	var hello struct {
		Magic, Option uint64
		Flags         uint16
	}
	if err := binary.Read(c.conn, binary.BigEndian, &hello); err != nil {
		return err
	}
	if hello.Option != clientMagic || hello.Flags&1 == 0 {
		return errors.New("server is not fixed newstyle")
	}
	// Fixed newstyle and no trailing zeroes, the latter only when offered.
	if err := binary.Write(c.conn, binary.BigEndian, uint32(hello.Flags&3)); err != nil {
		return err
	}
	if err := c.option(optStructured, nil, nil); err != nil {
		return err
	}
	if metaContext != "" {
		if err := c.selectContext(export, metaContext); err != nil {
			return err
		}
	}
	payload := appendString(nil, export)
	payload = append(payload, 0, 0) // no particular information requests
	return c.option(optGo, payload, func(kind uint32, data []byte) {
		if kind == repInfo && len(data) >= 12 && binary.BigEndian.Uint16(data) == infoExport {
			c.size = binary.BigEndian.Uint64(data[2:])
		}
	})
}

func (c *Conn) selectContext(export, context string) error {
	payload := appendString(nil, export)
	payload = append(payload, 0, 0, 0, 1)
	payload = appendString(payload, context)
	found := false
	err := c.option(optSetMeta, payload, func(kind uint32, data []byte) {
		if kind == repMeta && len(data) >= 4 {
			c.metaID, found = binary.BigEndian.Uint32(data), true
		}
	})
	if err == nil && !found {
		return fmt.Errorf("meta context %q is not offered", context)
	}
	return err
}

func appendString(to []byte, s string) []byte {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(s)))
	return append(append(to, length[:]...), s...)
}

// option sends one negotiation option and hands every information reply to each until the acknowledgement.
func (c *Conn) option(code uint32, payload []byte, each func(kind uint32, data []byte)) error {
	head := make([]byte, 16, 16+len(payload))
	binary.BigEndian.PutUint64(head, clientMagic)
	binary.BigEndian.PutUint32(head[8:], code)
	binary.BigEndian.PutUint32(head[12:], uint32(len(payload)))
	if _, err := c.conn.Write(append(head, payload...)); err != nil {
		return err
	}
	for {
		var reply struct {
			Magic             uint64
			Option, Kind, Len uint32
		}
		if err := binary.Read(c.conn, binary.BigEndian, &reply); err != nil {
			return err
		}
		if reply.Magic != optionReply || reply.Len > 1<<20 {
			return errors.New("garbled option reply")
		}
		data := make([]byte, reply.Len)
		if _, err := io.ReadFull(c.conn, data); err != nil {
			return err
		}
		switch {
		case reply.Kind == repAck:
			return nil
		case reply.Kind&(1<<31) != 0:
			return fmt.Errorf("option %d refused (%#x): %s", code, reply.Kind, data)
		case each != nil:
			each(reply.Kind, data)
		}
	}
}

// Close tells the server goodbye and closes the socket.
func (c *Conn) Close() error {
	c.conn.SetDeadline(time.Now().Add(time.Second))
	c.send(cmdDisconnect, 0, 0)
	return c.conn.Close()
}
