package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"migratekit/lab/vcenter/nbd"
	"migratekit/lab/vcenter/storage"
)

// errLocked: a running machine writes to the file, so the host refuses to open it.
var errLocked = errors.New("the file is locked by a running virtual machine")

// serveFolder is the datastore browser's download: GET and HEAD of https://vc/folder/<path>?dcPath=..&dsName=..
func (l *lab) serveFolder(w http.ResponseWriter, r *http.Request) {
	if p, hit := l.faults.take("folder_status", func(parameters) bool { return true }); hit {
		status, _ := p.number("status", http.StatusInternalServerError)
		http.Error(w, http.StatusText(int(status)), int(status))
		return
	}
	if session := requireQuotes(r); session == "" || !l.sessionLives(session) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only downloads are offered", http.StatusMethodNotAllowed)
		return
	}
	w = l.dropInBody(w, r)
	query := r.URL.Query()
	datastore := query.Get("dsName")
	if strings.Trim(query.Get("dcPath"), "/") != l.datacenterPath() || l.datastoreByName(datastore) == nil {
		http.Error(w, "no such datacenter or datastore", http.StatusNotFound)
		return
	}
	l.serveFile(w, r, datastore, strings.TrimPrefix(r.URL.Path, "/folder/"))
}

func (l *lab) serveFile(w http.ResponseWriter, r *http.Request, datastore, file string) {
	if m, index := l.findExtent(datastore, file); m != nil {
		content, err := m.openBase(index)
		switch {
		case errors.Is(err, errLocked):
			http.Error(w, "Internal Server Error: "+err.Error(), http.StatusInternalServerError)
		case err != nil:
			log.Printf("download of %s: %v", file, err)
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		default:
			defer content.Close()
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", time.Time{}, content)
		}
		return
	}
	if strings.HasSuffix(file, "-delta.vmdk") || strings.HasSuffix(file, "-rdmp.vmdk") {
		http.Error(w, "Internal Server Error: "+errLocked.Error(), http.StatusInternalServerError)
		return
	}
	name := filepath.Join(l.datastoreDir(datastore), filepath.FromSlash(path.Clean("/"+file)))
	if info, err := os.Stat(name); err != nil || info.IsDir() {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, name)
}

// findExtent finds the disk whose base extent the file is.
func (l *lab) findExtent(datastore, file string) (*machine, int) {
	for _, vm := range l.machines {
		m := vm.machine
		for i, d := range m.spec.Disks {
			if m.spec.Datastore == datastore && !d.RawDevice && file == m.spec.directory()+"/"+m.spec.fileBase(i)+"-flat.vmdk" {
				return m, i
			}
		}
	}
	return nil, 0
}

// openBase opens the base link of a disk. With snapshots it is frozen: its content is that of the oldest snapshot,
// whatever came later. Without, it is the live disk, readable only while the machine is off.
func (m *machine) openBase(index int) (*diskReader, error) {
	key := m.spec.Disks[index].Key
	m.mu.Lock()
	defer m.mu.Unlock()
	export := storage.LiveExport(key)
	if len(m.snapshots) > 0 && m.spec.Disks[index].inSnapshots() {
		export = storage.FrozenExport(m.snapshots[0].frozen.ID, key)
	} else if m.power != types.VirtualMachinePowerStatePoweredOff {
		return nil, errLocked
	}
	conn, err := nbd.Open(m.storage.Socket(), export, "")
	if err != nil {
		return nil, err
	}
	return &diskReader{conn: conn}, nil
}

// diskReader makes an NBD export seekable for http.ServeContent, reading ahead: that function reads 32 KiB at a time.
type diskReader struct {
	conn   *nbd.Conn
	at     int64
	buffer []byte
	start  int64 // offset of the buffer
}

const readAhead = 256 << 10

func (d *diskReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += d.at
	case io.SeekEnd:
		offset += d.conn.Size()
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d", offset)
	}
	d.at = offset
	return offset, nil
}

func (d *diskReader) Read(p []byte) (int, error) {
	if d.at >= d.conn.Size() {
		return 0, io.EOF
	}
	if d.at < d.start || d.at >= d.start+int64(len(d.buffer)) {
		length := d.conn.Size() - d.at
		if length > readAhead {
			length = readAhead
		}
		d.buffer = make([]byte, length)
		if _, err := d.conn.ReadAt(d.buffer, d.at); err != nil {
			d.buffer = nil
			return 0, err
		}
		d.start = d.at
	}
	n := copy(p, d.buffer[d.at-d.start:])
	d.at += int64(n)
	return n, nil
}

func (d *diskReader) Close() error { return d.conn.Close() }

// dropInBody applies a drop_connection fault to a download.
func (l *lab) dropInBody(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.Method != http.MethodGet {
		return w
	}
	p, hit := l.faults.take("drop_connection", func(p parameters) bool { return p.text("method", "") == "folder" })
	if !hit {
		return w
	}
	left, _ := p.number("after_bytes", 0)
	return &droppingWriter{ResponseWriter: w, left: left}
}

// droppingWriter cuts the connection after a number of body bytes.
type droppingWriter struct {
	http.ResponseWriter
	left int64
}

func (d *droppingWriter) Write(p []byte) (int, error) {
	if int64(len(p)) < d.left {
		d.left -= int64(len(p))
		return d.ResponseWriter.Write(p)
	}
	d.ResponseWriter.Write(p[:d.left])
	if flusher, ok := d.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
	panic(http.ErrAbortHandler)
}

// folderURL is the download address of a disk's base extent, for the endpoint file and tests.
func (m *machine) folderURL(index int) string {
	file := url.PathEscape(m.spec.directory()) + "/" + url.PathEscape(m.spec.fileBase(index)) + "-flat.vmdk"
	query := url.Values{"dcPath": {m.lab.datacenterPath()}, "dsName": {m.spec.Datastore}}
	return "https://" + m.lab.address + "/folder/" + file + "?" +
		strings.ReplaceAll(query.Encode(), "+", "%20") // a plus is a blank in forms only
}
