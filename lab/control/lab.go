package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"migratekit/lab/internal/sidechannel"
)

// A lab is one state directory and the programs that live in it.
type lab struct {
	state    string // absolute, symbolic links resolved: processes and loop devices are recognised by it
	programs string
	root     string
}

// The kernel takes no longer name for a unix socket.
const socketNameLimit = 107

func locate(state, programs, root string) (lab, error) {
	if state == "" {
		base := os.Getenv("XDG_STATE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return lab{}, fmt.Errorf("no --state, and no home directory to put the lab into: %w", err)
			}
			base = filepath.Join(home, ".local", "state")
		}
		state = filepath.Join(base, "migratekit-lab")
	}
	self, err := os.Executable()
	if err != nil {
		return lab{}, err
	}
	if programs == "" {
		programs = filepath.Dir(self)
	}
	if root == "" {
		root = filepath.Dir(filepath.Dir(filepath.Dir(self)))
	}
	found := lab{}
	for _, place := range []struct {
		to   *string
		from string
	}{{&found.state, state}, {&found.programs, programs}, {&found.root, root}} {
		if *place.to, err = resolve(place.from); err != nil {
			return lab{}, err
		}
	}
	if found.state == "/" {
		return lab{}, fmt.Errorf("%w: the lab needs a state directory of its own, not /", errUsage)
	}
	if longest := sidechannel.SocketPath(found.state, "cloudstack"); len(longest) > socketNameLimit {
		return lab{}, fmt.Errorf("%w: the path %s is too long for the simulators' sockets; choose a shorter --state", errUsage, found.state)
	}
	return found, nil
}

// resolve makes a path absolute and free of links, also when its last parts do not exist yet.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) && path != "/" {
		parent, err := resolve(filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	return real, err
}

func (l lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.state}, parts...)...)
}

// marker tells a lab's state directory from any other folder, so that reset deletes nothing else.
func (l lab) marker() string { return l.path(".migratekit-lab") }

func (l lab) exists() bool {
	_, err := os.Stat(l.marker())
	return err == nil
}

// create makes the state directory; a folder that already holds something else is refused.
func (l lab) create() error {
	if entries, err := os.ReadDir(l.state); err == nil && len(entries) > 0 && !l.exists() {
		return fmt.Errorf("%s is not empty and no lab; choose another --state", l.state)
	}
	if err := os.MkdirAll(l.path("log"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(l.marker(), nil, 0o600)
}

// lock keeps two commands from changing one lab at the same time. The lock ends with the process.
func (l lab) lock() (release func(), err error) {
	return lockFile(l.path(".lock"), "another migratekit-lab command is at work on "+l.state+"; waiting for it")
}

// lockFile takes the lock of a file, and says the message when it has to wait.
func lockFile(path, message string) (release func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		fmt.Fprintln(os.Stderr, message)
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

// writePrivate replaces a file at once; only its owner may read it.
func writePrivate(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}
