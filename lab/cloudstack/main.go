// lab-cloudstack stands in for a CloudStack management server with one KVM host, with real volumes, loop devices for
// the appliance and real guests. See README.md.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	log.SetPrefix("lab-cloudstack: ")
	dir := flag.String("state", "", "state directory (required); everything lives below it")
	var overrides settingFlags
	flag.Var(&overrides, "set", "name=value of a global setting, may be repeated")
	flag.Parse()
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // losetup is not on an ordinary user's path
	if *dir == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: lab-cloudstack --state DIR [--set name=value]...")
		os.Exit(2)
	}
	if err := run(*dir, overrides); err != nil {
		log.Printf("%v", err)
		os.Exit(1)
	}
}

type settingFlags []string

func (f *settingFlags) String() string { return strings.Join(*f, " ") }

func (f *settingFlags) Set(text string) error {
	name, _, found := strings.Cut(text, "=")
	if _, known := settingDefault(name); !found || !known {
		return fmt.Errorf("%q is no known setting", text)
	}
	*f = append(*f, text)
	return nil
}

func run(dir string, overrides settingFlags) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // the kernel reports backing files by their real path
		return err
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	c, err := openCloud(dir)
	if err != nil {
		return err
	}
	for _, entry := range overrides {
		name, value, _ := strings.Cut(entry, "=")
		c.st.Settings[name] = value
	}
	return c.serve()
}

// lockDirectory keeps a second simulator out of the directory; the lock ends with the process, however it ends.
func lockDirectory(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "pid"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another lab-cloudstack runs on %s", dir)
	}
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f, err
}

// serve listens, recovers what an earlier process left, publishes endpoint.json and works until SIGTERM.
func (c *cloud) serve() error {
	signals, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	api, err := c.listenAPI()
	if err != nil {
		return err
	}
	side, err := listenControl(c.dir)
	if err != nil {
		return err
	}
	if err := c.recoverStart(); err != nil {
		log.Printf("not every device of the appliance could be made again: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/client/api", c)
	servers := []*http.Server{
		{Handler: mux, ReadHeaderTimeout: headerLimit},
		{Handler: c.controlHandler(), ReadHeaderTimeout: headerLimit},
	}
	ended := make(chan error, len(servers))
	for i, listener := range []net.Listener{api, side} {
		go func(s *http.Server, l net.Listener) { ended <- s.Serve(l) }(servers[i], listener)
	}
	if err := c.publish(); err != nil {
		return err
	}
	log.Printf("serving http://%s/client/api", api.Addr())
	failure := c.untilStopped(signals, ended)
	for _, s := range servers {
		s.Close()
	}
	c.shutdown()
	os.Remove(filepath.Join(c.dir, "control.sock"))
	os.Remove(filepath.Join(c.dir, "endpoint.json"))
	log.Printf("stopped")
	return failure
}

// headerLimit bounds how long a client may take to say what it wants.
const headerLimit = 30 * time.Second

// untilStopped keeps house until a signal comes or a server fails.
func (c *cloud) untilStopped(signals context.Context, ended <-chan error) error {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.housekeeping()
		case err := <-ended:
			return fmt.Errorf("a server ended: %w", err)
		case <-signals.Done():
			return nil
		}
	}
}

// listenAPI takes the port of the last run when it is free, so that clients survive a restart; else a free one.
func (c *cloud) listenAPI() (net.Listener, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.st.Port))
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	c.st.Port = listener.Addr().(*net.TCPAddr).Port
	if len(c.st.Networks) == 0 {
		c.st.seedNetworks()
	}
	c.save()
	return listener, nil
}

// publish writes the secrets to their own files and endpoint.json last, as the sign that everything is ready.
func (c *cloud) publish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	admin, tenant := c.st.accountNamed("admin"), c.st.accountNamed("tenant")
	files := map[string]string{"secret.key": admin.SecretKey, "user-secret.key": tenant.SecretKey}
	for name, secret := range files {
		if err := writeFile(filepath.Join(c.dir, name), []byte(secret+"\n")); err != nil {
			return err
		}
	}
	networks := []object{}
	for _, n := range c.st.Networks {
		if !n.Removed {
			networks = append(networks, object{"id": n.ID, "name": n.Name, "isolated": n.Isolated})
		}
	}
	raw, err := json.MarshalIndent(object{
		"url":     fmt.Sprintf("http://127.0.0.1:%d/client/api", c.st.Port),
		"api_key": admin.APIKey, "secret_key_file": filepath.Join(c.dir, "secret.key"),
		"user_api_key": tenant.APIKey, "user_secret_key_file": filepath.Join(c.dir, "user-secret.key"),
		"device_directory": filepath.Join(c.dir, "by-id"), "appliance_vm_id": c.st.appliance().ID,
		"zone_id": c.st.Zone, "zone_name": zoneName, "domain_id": c.st.Domain,
		"service_offering_id": c.st.Offerings[0].ID, "fixed_service_offering_id": c.st.Offerings[1].ID,
		"disk_offering_id": c.st.DiskOfferings[0].ID, "fixed_disk_offering_id": c.st.DiskOfferings[1].ID,
		"template_id": c.st.Templates[0].ID, "networks": networks,
	}, "", " ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(c.dir, "endpoint.json"), append(raw, '\n'))
}
