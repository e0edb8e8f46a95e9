package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// A reader for the NBD protocol (github.com/NetworkBlockDevice/nbd, doc/proto.md): fixed newstyle negotiation with
// NBD_OPT_GO, simple replies, one request at a time. It only reads.
const (
	nbdMagic          = 0x4e42444d41474943 // "NBDMAGIC"
	nbdOptionMagic    = 0x49484156454f5054 // "IHAVEOPT"
	nbdOptReplyMagic  = 0x0003e889045565a9
	nbdRequestMagic   = 0x25609513
	nbdReplyMagic     = 0x67446698
	nbdOptGo          = 7
	nbdRepAck         = 1
	nbdRepInfo        = 3
	nbdRepErrorBit    = 1 << 31
	nbdInfoExport     = 0
	nbdFixedNewstyle  = 1
	nbdNoZeroes       = 2
	nbdCmdRead        = 0
	nbdCmdDisconnect  = 2
	nbdLongestRequest = 1 << 20 // every server takes 1 MiB; larger requests bring nothing over a unix socket
	nbdLongestText    = 64 << 10
	nbdAnswerLimit    = 30 * time.Second
)

type nbdImage struct {
	connection net.Conn
	size       int64
	handle     uint64
	broken     error // after a failed request the stream's position is unknown
}

// openNbd connects to nbd+unix:///EXPORT?socket=PATH.
func openNbd(address string) (image, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	socket := parsed.Query().Get("socket")
	if socket == "" || parsed.Host != "" {
		return nil, fmt.Errorf("%s: expected nbd+unix:///EXPORT?socket=PATH", address)
	}
	export := ""
	if len(parsed.Path) > 0 {
		export = parsed.Path[1:]
	}
	connection, err := net.DialTimeout("unix", socket, nbdAnswerLimit)
	if err != nil {
		return nil, err
	}
	reader := &nbdImage{connection: connection}
	if err := reader.negotiate(export); err != nil {
		connection.Close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return reader, nil
}

func (n *nbdImage) negotiate(export string) error {
	n.connection.SetDeadline(time.Now().Add(nbdAnswerLimit))
	var greeting struct {
		Magic, Option uint64
		Flags         uint16
	}
	if err := binary.Read(n.connection, binary.BigEndian, &greeting); err != nil {
		return err
	}
	if greeting.Magic != nbdMagic || greeting.Option != nbdOptionMagic || greeting.Flags&nbdFixedNewstyle == 0 {
		return fmt.Errorf("not a fixed newstyle NBD server")
	}
	request := binary.BigEndian.AppendUint32(nil, uint32(greeting.Flags&(nbdFixedNewstyle|nbdNoZeroes)))
	request = binary.BigEndian.AppendUint64(request, nbdOptionMagic)
	request = binary.BigEndian.AppendUint32(request, nbdOptGo)
	request = binary.BigEndian.AppendUint32(request, uint32(4+len(export)+2))
	request = binary.BigEndian.AppendUint32(request, uint32(len(export)))
	request = append(request, export...)
	request = binary.BigEndian.AppendUint16(request, 0) // no particular information is asked for
	if _, err := n.connection.Write(request); err != nil {
		return err
	}
	for {
		done, err := n.readOptionReply(export)
		if done || err != nil {
			return err
		}
	}
}

func (n *nbdImage) readOptionReply(export string) (done bool, err error) {
	var reply struct {
		Magic                uint64
		Option, Kind, Length uint32
	}
	if err := binary.Read(n.connection, binary.BigEndian, &reply); err != nil {
		return false, err
	}
	if reply.Magic != nbdOptReplyMagic || reply.Option != nbdOptGo || reply.Length > nbdLongestText {
		return false, fmt.Errorf("the server's answer to NBD_OPT_GO is malformed")
	}
	text := make([]byte, reply.Length)
	if _, err := io.ReadFull(n.connection, text); err != nil {
		return false, err
	}
	switch {
	case reply.Kind == nbdRepAck:
		return true, nil
	case reply.Kind&nbdRepErrorBit != 0:
		return false, fmt.Errorf("the server refuses export %q: %s (code %#x)", export, text, reply.Kind)
	case reply.Kind == nbdRepInfo && len(text) >= 12 && binary.BigEndian.Uint16(text) == nbdInfoExport:
		n.size = int64(binary.BigEndian.Uint64(text[2:]))
	}
	return false, nil
}

func (n *nbdImage) Size() int64 { return n.size }

// NextData knows no holes: reading zeros over a local socket is cheap enough, and asking would double the protocol.
func (n *nbdImage) NextData(offset int64) (int64, int64, error) { return offset, n.size, nil }

func (n *nbdImage) ReadAt(buffer []byte, offset int64) (int, error) {
	total := 0
	for total < len(buffer) && offset < n.size {
		length := int64(len(buffer) - total)
		if length > nbdLongestRequest {
			length = nbdLongestRequest
		}
		if length > n.size-offset {
			length = n.size - offset
		}
		if n.broken == nil {
			n.broken = n.readPart(buffer[total:total+int(length)], offset)
		}
		if n.broken != nil {
			return total, n.broken
		}
		total += int(length)
		offset += length
	}
	if total < len(buffer) {
		return total, io.EOF
	}
	return total, nil
}

func (n *nbdImage) readPart(buffer []byte, offset int64) error {
	n.connection.SetDeadline(time.Now().Add(nbdAnswerLimit))
	n.handle++
	if err := n.send(nbdCmdRead, offset, len(buffer)); err != nil {
		return err
	}
	var reply struct {
		Magic, Error uint32
		Handle       uint64
	}
	if err := binary.Read(n.connection, binary.BigEndian, &reply); err != nil {
		return err
	}
	if reply.Magic != nbdReplyMagic || reply.Handle != n.handle {
		return fmt.Errorf("the NBD server's answer to a read at %d is malformed", offset)
	}
	if reply.Error != 0 {
		return fmt.Errorf("the NBD server cannot read at %d: error %d", offset, reply.Error)
	}
	_, err := io.ReadFull(n.connection, buffer)
	return err
}

func (n *nbdImage) send(command uint16, offset int64, length int) error {
	request := binary.BigEndian.AppendUint32(nil, nbdRequestMagic)
	request = binary.BigEndian.AppendUint16(request, 0)
	request = binary.BigEndian.AppendUint16(request, command)
	request = binary.BigEndian.AppendUint64(request, n.handle)
	request = binary.BigEndian.AppendUint64(request, uint64(offset))
	request = binary.BigEndian.AppendUint32(request, uint32(length))
	_, err := n.connection.Write(request)
	return err
}

func (n *nbdImage) Close() error {
	n.connection.SetDeadline(time.Now().Add(nbdAnswerLimit))
	n.send(nbdCmdDisconnect, 0, 0)
	return n.connection.Close()
}
