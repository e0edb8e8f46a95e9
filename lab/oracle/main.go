// lab-oracle judges what a migration did, independently of the product: it shares no code with it and reads images,
// exports and the simulators' own lists. Exit codes: 0 equal or clean, 1 different, 2 the question could not be answered.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
)

const (
	exitEqual     = 0
	exitDifferent = 1
	exitError     = 2
)

const usage = `lab-oracle judges what a migration did, without any code of the product.

  lab-oracle compare A B [--length N] [--allow-zero-tail] [--json]
        compares two images byte by byte; B may be longer with --allow-zero-tail if the rest is zeros
  lab-oracle digest X [--length N]
        prints the volume digest of an image: SHA-256 over the XXH3-128 digests of its leaves of 256 KiB
  lab-oracle beacon-sum IMAGE [--json]
        prints what a beacon guest must report after booting with this data disk
  lab-oracle objects --state DIR
        lists every object of both simulators as JSON
  lab-oracle orphans --state DIR --known FILE.json [--baseline FILE.json] [--exact]
        finds objects that neither the ledger (--known) nor an earlier list (--baseline, written by "objects") has;
        with --exact also ledger entries that do not exist

An image is a file, a block device, or nbd+unix:///EXPORT?socket=PATH. Lengths are bytes.
A block device must be read while it is attached: what is still cached for it is not yet in the file behind it.
Exit codes: 0 equal or clean, 1 different, 2 the question could not be answered.
`

type command func(arguments []string, out io.Writer) (code int, err error)

func main() {
	commands := map[string]command{"compare": runCompare, "digest": runDigest, "beacon-sum": runBeaconSum,
		"objects": runObjects, "orphans": runOrphans}
	if len(os.Args) > 1 && (os.Args[1] == "--help" || os.Args[1] == "-h" || os.Args[1] == "help") {
		fmt.Print(usage)
		return
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(exitError)
	}
	code, err := commands[os.Args[1]](os.Args[2:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab-oracle:", err)
		code = exitError
	}
	os.Exit(code)
}

// parse reads flags that may stand before and after the plain arguments, and wants exactly so many of the latter.
func parse(flags *flag.FlagSet, arguments []string, wanted int) ([]string, error) {
	flags.SetOutput(io.Discard)
	plain := []string{}
	for {
		if err := flags.Parse(arguments); err != nil {
			return nil, fmt.Errorf("%w; see lab-oracle --help", err)
		}
		if flags.NArg() == 0 {
			break
		}
		plain = append(plain, flags.Arg(0))
		arguments = flags.Args()[1:]
	}
	if len(plain) != wanted {
		return nil, fmt.Errorf("%s takes %d arguments, not %d; see lab-oracle --help", flags.Name(), wanted, len(plain))
	}
	return plain, nil
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func runCompare(arguments []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	length := flags.Int64("length", -1, "")
	zeroTail := flags.Bool("allow-zero-tail", false, "")
	asJSON := flags.Bool("json", false, "")
	names, err := parse(flags, arguments, 2)
	if err != nil {
		return exitError, err
	}
	a, err := openImage(names[0])
	if err != nil {
		return exitError, err
	}
	defer a.Close()
	b, err := openImage(names[1])
	if err != nil {
		return exitError, err
	}
	defer b.Close()
	result, err := compareImages(a, b, compareOptions{*length, *zeroTail})
	if err != nil {
		return exitError, err
	}
	code := exitEqual
	if !result.Equal {
		code = exitDifferent
	}
	if *asJSON {
		return code, printJSON(out, result)
	}
	if result.Equal {
		fmt.Fprintf(out, "equal: %d bytes\n", result.Length)
	} else {
		fmt.Fprintf(out, "different: first at offset %d; %d blocks of 64 KiB differ; sizes %d and %d bytes\n",
			*result.FirstDifference, result.DifferentBlocks, result.SizeA, result.SizeB)
	}
	return code, nil
}

func runDigest(arguments []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("digest", flag.ContinueOnError)
	length := flags.Int64("length", -1, "")
	names, err := parse(flags, arguments, 1)
	if err != nil {
		return exitError, err
	}
	side, err := openImage(names[0])
	if err != nil {
		return exitError, err
	}
	defer side.Close()
	digest, err := digestImage(side, *length)
	if err == nil {
		fmt.Fprintln(out, digest)
	}
	return exitEqual, err
}

func runBeaconSum(arguments []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("beacon-sum", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "")
	names, err := parse(flags, arguments, 1)
	if err != nil {
		return exitError, err
	}
	disk, err := openImage(names[0])
	if err != nil {
		return exitError, err
	}
	defer disk.Close()
	verdict, err := beaconSum(disk)
	if err != nil {
		return exitError, err
	}
	code := exitEqual
	if verdict.Bad > 0 {
		code = exitDifferent
	}
	if *asJSON {
		return code, printJSON(out, verdict)
	}
	fmt.Fprintf(out, "files=%d bad=%d seq=%d sum=%s last=%s\n", verdict.Files, verdict.Bad, verdict.Seq, verdict.Sum, verdict.Last)
	return code, nil
}

func runObjects(arguments []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("objects", flag.ContinueOnError)
	state := flags.String("state", "", "")
	if _, err := parse(flags, arguments, 0); err != nil {
		return exitError, err
	}
	if *state == "" {
		return exitError, fmt.Errorf("objects needs --state DIR")
	}
	objects, err := labObjects(*state)
	if err != nil {
		return exitError, err
	}
	return exitEqual, printJSON(out, map[string]any{"objects": objects})
}

func runOrphans(arguments []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("orphans", flag.ContinueOnError)
	state := flags.String("state", "", "")
	known := flags.String("known", "", "")
	baseline := flags.String("baseline", "", "")
	exact := flags.Bool("exact", false, "")
	if _, err := parse(flags, arguments, 0); err != nil {
		return exitError, err
	}
	if *state == "" || *known == "" {
		return exitError, fmt.Errorf("orphans needs --state DIR and --known FILE.json")
	}
	ledger, err := readObjects(*known)
	if err != nil {
		return exitError, err
	}
	before := []object{}
	if *baseline != "" {
		if before, err = readObjects(*baseline); err != nil {
			return exitError, err
		}
	}
	existing, err := labObjects(*state)
	if err != nil {
		return exitError, err
	}
	result := findOrphans(existing, ledger, before)
	code := exitEqual
	if len(result.Orphans) > 0 || (*exact && len(result.Missing) > 0) {
		code = exitDifferent
	}
	return code, printJSON(out, result)
}
