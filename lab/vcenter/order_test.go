package main

import (
	"strings"
	"testing"
)

const envelope = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" ` +
	`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Body>%s</Body></Envelope>`

func check(t *testing.T, body string) (string, error) {
	t.Helper()
	return checkRequest(strings.NewReader(strings.Replace(envelope, "%s", body, 1)))
}

const query = `<QueryChangedDiskAreas xmlns="urn:vim25"><_this type="VirtualMachine">vm-1</_this>%s</QueryChangedDiskAreas>`

func queryWith(children string) string { return strings.Replace(query, "%s", children, 1) }

func TestSchemaOrderIsAccepted(t *testing.T) {
	for name, body := range map[string]string{
		"QueryChangedDiskAreas": queryWith(`<snapshot type="VirtualMachineSnapshot">s</snapshot><deviceKey>2000</deviceKey>` +
			`<startOffset>0</startOffset><changeId>*</changeId>`),
		"CreateSnapshotEx_Task": `<CreateSnapshotEx_Task xmlns="urn:vim25"><_this type="VirtualMachine">v</_this><name>n</name>` +
			`<memory>false</memory><quiesceSpec xsi:type="VirtualMachineWindowsQuiesceSpec"><timeout>15</timeout>` +
			`<vssBackupType>1</vssBackupType></quiesceSpec></CreateSnapshotEx_Task>`,
		"RetrievePropertiesEx": `<x:RetrievePropertiesEx xmlns:x="urn:vim25"><x:_this type="PropertyCollector">p</x:_this><x:specSet>` +
			`<x:propSet><x:type>VirtualMachine</x:type><x:all>false</x:all><x:pathSet>name</x:pathSet><x:pathSet>parent</x:pathSet></x:propSet>` +
			`<x:objectSet><x:obj type="ContainerView">v</x:obj><x:skip>true</x:skip><x:selectSet xsi:type="x:TraversalSpec">` +
			`<x:name>v</x:name><x:type>ContainerView</x:type><x:path>view</x:path></x:selectSet></x:objectSet></x:specSet>` +
			`<x:options><x:maxObjects>1</x:maxObjects></x:options></x:RetrievePropertiesEx>`,
	} {
		method, err := check(t, body)
		if err != nil || method != name {
			t.Errorf("%s: %q, %v", name, method, err)
		}
	}
}

func TestDeviationsAreNamed(t *testing.T) {
	for body, want := range map[string]string{
		queryWith(`<deviceKey>1</deviceKey><startOffset>0</startOffset><snapshot type="VirtualMachineSnapshot">s</snapshot><changeId>*</changeId>`): `"snapshot" seen in QueryChangedDiskAreas: out of schema order`,
		queryWith(`<deviceKey>1</deviceKey><startOffset>0</startOffset><changeId>*</changeId><colour>red</colour>`):                                 `"colour" seen in QueryChangedDiskAreas: unknown`,
		queryWith(`<deviceKey>1</deviceKey><startOffset>0</startOffset>`):                                                                           "Required property changeId is missing",
		queryWith(`<deviceKey>1</deviceKey><deviceKey>1</deviceKey><startOffset>0</startOffset><changeId>*</changeId>`):                             "out of schema order",
		`<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">p</_this><specSet><propSet><type>Task</type></propSet>` +
			`<objectSet><obj type="Task">t</obj><selectSet xsi:type="TraversalSpec"><type>Task</type><name>late</name><path>view</path>` +
			`</selectSet></objectSet></specSet><options/></RetrievePropertiesEx>`: `"name" seen in RetrievePropertiesEx.specSet.objectSet.selectSet: out of schema order`,
		`<Login xmlns="urn:other"><_this type="SessionManager">s</_this><userName>u</userName><password>p</password></Login>`: "not in namespace",
		`<Login xmlns="urn:vim25"><_this type="SessionManager">s</_this>`:                                                     "malformed XML",
	} {
		_, err := check(t, body)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got: %v\nwant: %s", body, err, want)
		}
	}
}

func TestUnknownMethodsAreLeftToTheDispatcher(t *testing.T) {
	if method, err := check(t, `<NoSuchMethod xmlns="urn:vim25"/>`); err != nil || method != "NoSuchMethod" {
		t.Errorf("%q, %v", method, err)
	}
}
