// migratekit-lab starts, stops and disturbs the lab: a vCenter and a CloudStack simulator with real guests, as ordinary
// processes under one state directory. Several labs with different state directories may run on one host.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `migratekit-lab - a vCenter and a CloudStack of your own, with guests that really boot

  migratekit-lab up [--no-guests] [--inventory FILE]
                                        start everything; safe to repeat, starts only what is not running
  migratekit-lab down                   stop everything and remove what a crash may have left; disks are kept
  migratekit-lab reset                  down, delete all disks and records; then up again if it was up
  migratekit-lab status [--json]        what is running; exit code 0 only when all of it is
  migratekit-lab env                    the lab's addresses as shell exports (no secrets, only their files)
  migratekit-lab fault list [--json]    the faults that the simulators know, and those that are on
  migratekit-lab fault vcenter|cloudstack NAME [key=value ...]
                                        switch one on
  migratekit-lab fault clear            switch all off
  migratekit-lab op vcenter|cloudstack NAME [key=value ...]
                                        do something on the other side of the API, as "write" on a machine's disk

Options: --state DIR     where the lab lives (default $XDG_STATE_HOME/migratekit-lab or ~/.local/state/migratekit-lab)
         --programs DIR  where lab-vcenter and lab-cloudstack are (default: beside this program)
         --inventory F   what the simulated vCenter contains (default: lab/vcenter/inventory.json of the repository)
         --root DIR      the repository (default: two folders above this program)
Root rights are needed only for loop devices; without them "sudo -n losetup" is used.
Exit codes: 0 done, 1 failed or (status) not all running, 2 wrong use.
`

// errUsage marks a mistake in the command line.
var errUsage = errors.New("wrong use")

type options struct {
	lab      lab
	json     bool
	contents contents
	plain    []string
}

func main() {
	// An interrupted command leaves a lab that the next command understands; a closed pipe or terminal ends it as well.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-interrupted
		fmt.Fprintln(os.Stderr, "migratekit-lab: interrupted; what was started goes on, 'migratekit-lab down' stops it")
		os.Exit(exitFailed)
	}()
	os.Exit(run(os.Args[1:]))
}

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func run(arguments []string) int {
	commands := map[string]func(options) error{"up": commandUp, "down": commandDown, "reset": commandReset,
		"status": commandStatus, "env": commandEnv, "fault": commandFault, "op": commandOp}
	if len(arguments) > 0 && (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
		fmt.Print(usage)
		return exitDone
	}
	parsed, err := parseArguments(arguments)
	if err == nil && (len(parsed.plain) == 0 || commands[parsed.plain[0]] == nil) {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	if err == nil {
		name := parsed.plain[0]
		parsed.plain = parsed.plain[1:]
		if takesNone := name != "fault" && name != "op"; takesNone && len(parsed.plain) > 0 {
			err = fmt.Errorf("%w: %s takes no argument %q", errUsage, name, parsed.plain[0])
		} else {
			err = commands[name](parsed)
		}
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNotAllUp): // the table already says so
		return exitFailed
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "migratekit-lab: %v; see migratekit-lab --help\n", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, "migratekit-lab:", err)
	return exitFailed
}

// parseArguments takes options from anywhere in the line.
func parseArguments(arguments []string) (options, error) {
	parsed := options{}
	flags := flag.NewFlagSet("migratekit-lab", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	state := flags.String("state", "", "")
	programs := flags.String("programs", "", "")
	root := flags.String("root", "", "")
	inventory := flags.String("inventory", "", "")
	flags.BoolVar(&parsed.json, "json", false, "")
	flags.BoolVar(&parsed.contents.noGuests, "no-guests", false, "")
	for {
		if err := flags.Parse(arguments); err != nil {
			return parsed, fmt.Errorf("%w: %v", errUsage, err)
		}
		if flags.NArg() == 0 {
			break
		}
		parsed.plain = append(parsed.plain, flags.Arg(0))
		arguments = flags.Args()[1:]
	}
	var err error
	if *inventory != "" {
		if parsed.contents.inventory, err = resolve(*inventory); err != nil {
			return parsed, err
		}
	}
	parsed.lab, err = locate(*state, *programs, *root)
	return parsed, err
}
