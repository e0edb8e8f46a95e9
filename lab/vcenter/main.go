// lab-vcenter is the lab's vCenter: govmomi's simulator extended by real disks, snapshots that freeze them, change
// tracking answered from what was really written, datastore downloads, asynchronous tasks and faults on demand.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"

	"migratekit/lab/vcenter/proc"
)

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	var o options
	flag.StringVar(&o.state, "state", "", "directory for everything this program keeps (required)")
	flag.StringVar(&o.images, "images", "", "directory of guest images; machines without one get blank disks")
	flag.StringVar(&o.inventory, "inventory", "lab/vcenter/inventory.json", "what the vCenter contains")
	flag.StringVar(&o.passwordFile, "password-file", "", "password of "+account+" (default: STATE/password, made if absent)")
	flag.BoolVar(&o.noGuests, "no-guests", false, "run no operating systems; running machines are merely powered on")
	window := flag.Int64("query-window", 64<<20, "bytes that one QueryChangedDiskAreas answer covers at most")
	idle := flag.Duration("session-idle", 30*time.Minute, "idle time after which a session ends")
	listen := flag.String("listen", "127.0.0.1:0", "address of the API")
	flag.Parse()
	if o.state == "" || flag.NArg() != 0 || *window <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o, *window, *idle, *listen); err != nil {
		log.Printf("lab-vcenter: %v", err)
		os.Exit(1)
	}
}

func run(o options, window int64, idle time.Duration, listen string) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	l, err := prepare(o, window)
	if err != nil {
		return err
	}
	defer l.close()
	simulator.SessionIdleTimeout = idle
	b, err := l.build()
	if err != nil {
		return err
	}
	if err := replaceCollector(l.content); err != nil {
		return err
	}
	for _, spec := range l.inv.Machines {
		if err := b.addMachine(spec); err != nil {
			return err
		}
	}
	certificate, err := l.serve(listen)
	if err != nil {
		return err
	}
	if err := l.serveControl(); err != nil {
		return err
	}
	if err := l.writeEndpoint(certificate); err != nil {
		return err
	}
	log.Printf("vCenter is up at https://%s/sdk", l.address)
	log.Printf("%v: stopping", <-stop)
	os.Remove(filepath.Join(l.state, "endpoint.json"))
	os.Remove(l.controlSocket())
	return nil
}

// prepare claims the state directory, removes what a crash left there and starts from fresh disks.
func prepare(o options, window int64) (*lab, error) {
	var err error
	if o.state, err = filepath.Abs(o.state); err != nil {
		return nil, err
	}
	if o.passwordFile == "" {
		o.passwordFile = filepath.Join(o.state, "password")
	}
	l := &lab{options: o, queryWindow: window, faults: &faults{}}
	if l.inv, err = loadInventory(o.inventory); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.processDir(), 0o700); err != nil {
		return nil, err
	}
	if err := claim(filepath.Join(o.state, "lock")); err != nil {
		return nil, err
	}
	if n := proc.Reap(l.processDir()); n > 0 {
		log.Printf("ended %d processes of an earlier run", n)
	}
	for _, old := range []string{l.datastoresRoot(), l.processDir(), filepath.Join(o.state, "endpoint.json")} {
		if err := os.RemoveAll(old); err != nil {
			return nil, err
		}
	}
	return l, os.MkdirAll(l.processDir(), 0o700)
}

// claim takes the lock of a state directory for the life of the process.
func claim(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("another lab-vcenter uses %s", filepath.Dir(path))
		}
		return err
	}
	claimed = file
	return nil
}

// claimed keeps the lock file open; closing it would give the lock up.
var claimed *os.File

// serve starts the HTTPS server and returns the fingerprint of its certificate.
func (l *lab) serve(listen string) (string, error) {
	password, err := loadPassword(l.passwordFile)
	if err != nil {
		return "", err
	}
	certificate, err := loadCertificate(l.state)
	if err != nil {
		return "", err
	}
	l.service.Listen = &url.URL{Host: listen, User: url.UserPassword(account, password)}
	l.service.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server := l.service.NewServer()
	// The address becomes known only below, so nobody is served by the bare simulator.
	server.Config.Handler = &front{lab: l, inner: server.Config.Handler}
	l.address = server.URL.Host
	return fingerprint(certificate), nil
}
