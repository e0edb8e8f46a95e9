package main

import (
	"fmt"
	"strings"
)

// apiVersion is the newest version the simulated server speaks: vCenter 7.0 Update 3.
const apiVersion = "7.0.3.0"

// priorVersions are the older ones it accepts, as such a server lists them.
var priorVersions = []string{"7.0.2.0", "7.0.1.0", "7.0.0.0", "7.0", "6.9.1", "6.8.7", "6.7.3", "6.7.2", "6.7.1", "6.7", "6.5",
	"6.0", "5.5", "5.1", "5.0", "4.1", "4.0", "2.5u2", "2.5", "2.0"}

func versionDocument() string {
	var prior strings.Builder
	for _, v := range priorVersions {
		fmt.Fprintf(&prior, "   <version>%s</version>\n", v)
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" ?>
<namespaces version="1.0">
 <namespace>
  <name>urn:vim25</name>
  <version>%s</version>
  <priorVersions>
%s  </priorVersions>
 </namespace>
</namespaces>
`, apiVersion, prior.String())
}

// checkVersion refuses an API version in SOAPAction that the version document does not list. A client that names none
// is taken for an old one, as on a real server.
func checkVersion(action string) error {
	version := strings.TrimPrefix(strings.Trim(action, `"`), vimNamespace+"/")
	if version == "" || version == vimNamespace || version == apiVersion {
		return nil
	}
	for _, v := range priorVersions {
		if v == version {
			return nil
		}
	}
	return schemaErrorf("Unsupported version URI %q", strings.Trim(action, `"`))
}
