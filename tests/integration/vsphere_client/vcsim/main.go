// The govmomi simulator as its authors wrote it, on a free port with TLS: the second opinion on our client.
//
//	vcsim --user U --password-file F
//
// Prints one line of JSON {"url","certificate_sha256"} when it accepts connections; ends on SIGTERM or SIGINT.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	user := flag.String("user", "user", "account that may log in")
	passwordFile := flag.String("password-file", "", "file with its password")
	flag.Parse()
	password, err := os.ReadFile(*passwordFile)
	if err != nil {
		log.Fatal(err)
	}
	model := simulator.VPX()
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	defer model.Remove()
	model.Service.TLS = new(tls.Config)
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(*user, strings.TrimRight(string(password), "\n"))}
	server := model.Service.NewServer()
	defer server.Close()

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	digest := fmt.Sprintf("%x", sha256.Sum256(server.Certificate().Raw))
	address := url.URL{Scheme: "https", Host: server.URL.Host, Path: "/sdk"}
	json.NewEncoder(os.Stdout).Encode(map[string]string{"url": address.String(), "certificate_sha256": digest})
	<-stop
}
