package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	vimxml "github.com/vmware/govmomi/vim25/xml"

	"github.com/vmware/govmomi/vim25/types"

	"migratekit/lab/internal/watch"
)

// front stands before the simulator's HTTP handler and adds what a real server does: quoted Secure cookies, strict
// parsing, versions, and the injected faults of the transport.
type front struct {
	lab   *lab
	inner http.Handler
}

// maxRequestBody bounds a SOAP request; real ones are a few kilobytes.
const maxRequestBody = 16 << 20

const sessionCookie = "vmware_soap_session"

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/sdk/vimServiceVersions.xml":
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, versionDocument())
	case r.URL.Path == "/sdk" || r.URL.Path == "/sdk/vimService":
		f.serveSDK(w, r)
	case strings.HasPrefix(r.URL.Path, "/folder/"):
		f.lab.serveFolder(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *front) serveSDK(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody))
	if err != nil {
		http.Error(w, "the request body broke off", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	session := requireQuotes(r)
	if session != "" {
		f.lab.expireSessions(session)
	}
	method, problem := checkRequest(bytes.NewReader(text))
	if p, hit := f.lab.faults.take("http_status", func(p parameters) bool { return p.matches("method", method) }); hit {
		status, _ := p.number("status", http.StatusServiceUnavailable)
		http.Error(w, "Service Unavailable", int(status))
		return
	}
	if problem == nil {
		problem = checkVersion(r.Header.Get("SOAPAction"))
	}
	if problem != nil {
		log.Printf("%s refused: %v", method, problem)
		writeFault(w, problem.Error(), &types.InvalidRequest{})
		return
	}
	if fault := f.lab.faults.methodFault(method); fault != nil {
		writeFault(w, faultText(fault), fault)
		return
	}
	f.dispatch(w, r, method)
}

func (f *front) dispatch(w http.ResponseWriter, r *http.Request, method string) {
	p, drop := f.lab.faults.take("drop_connection", func(p parameters) bool {
		return p.text("method", "") != "folder" && p.matches("method", method)
	})
	if drop && p.text("when", "before") != "after" {
		panic(http.ErrAbortHandler)
	}
	hold := f.hold(r, method)
	recorder := &answerRecorder{header: w.Header(), status: http.StatusOK}
	arrived := time.Now().UTC()
	f.inner.ServeHTTP(recorder, r)
	f.lab.calls.Add(watch.Call{Command: method, At: arrived, Changing: changesSomething(method),
		Job: strings.HasSuffix(method, "_Task"), Status: recorder.status})
	if hold == "answer" {
		f.lab.desk.HoldRequest(method, "", hold, r.Context().Done())
	}
	if drop {
		panic(http.ErrAbortHandler)
	}
	for i, cookie := range w.Header()["Set-Cookie"] {
		w.Header()["Set-Cookie"][i] = quoteCookie(cookie)
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(recorder.status)
	w.Write(recorder.body.Bytes())
}

// hold stops a call before it is executed, or tells that it is to be stopped afterwards. One whose client is gone when
// it is released was never executed: so a test can kill a client exactly before its effect.
func (f *front) hold(r *http.Request, method string) (at string) {
	p, hit := f.lab.faults.take("hold", func(p parameters) bool { return p.matches("method", method) })
	if !hit {
		return ""
	}
	if at = p.text("at", "request"); at == "request" {
		f.lab.desk.HoldRequest(method, "", at, r.Context().Done())
		if r.Context().Err() != nil {
			log.Printf("%s dropped: its client is gone", method)
			panic(http.ErrAbortHandler)
		}
	}
	return at
}

// changesSomething tells the methods that change machines from those that look at them.
func changesSomething(method string) bool {
	return strings.HasSuffix(method, "_Task") || method == "ShutdownGuest"
}

// answerRecorder keeps the answer back until it is known whether it is to arrive.
type answerRecorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerRecorder) Header() http.Header         { return a.header }
func (a *answerRecorder) WriteHeader(status int)      { a.status = status }
func (a *answerRecorder) Write(p []byte) (int, error) { return a.body.Write(p) }

// quoteCookie writes the session cookie as vCenter does, with quotes that belong to the value.
func quoteCookie(cookie string) string {
	value := strings.TrimPrefix(strings.SplitN(cookie, ";", 2)[0], sessionCookie+"=")
	return fmt.Sprintf("%s=\"%s\"; Path=/; HttpOnly; Secure; ", sessionCookie, value)
}

// requireQuotes returns the session key of the request. A cookie whose quotes were lost counts as none: the simulator
// would not notice, a real server does.
func requireQuotes(r *http.Request) string {
	for _, line := range r.Header["Cookie"] {
		for _, part := range strings.Split(line, ";") {
			value := strings.TrimPrefix(strings.TrimSpace(part), sessionCookie+"=")
			if value != strings.TrimSpace(part) && len(value) > 2 && value[0] == '"' && value[len(value)-1] == '"' {
				return value[1 : len(value)-1]
			}
		}
	}
	r.Header.Del("Cookie")
	return ""
}

// writeFault answers a SOAP fault without asking the simulator.
func writeFault(w http.ResponseWriter, text string, fault types.BaseMethodFault) {
	name := faultName(fault)
	var detail bytes.Buffer
	start := vimxml.StartElement{Name: vimxml.Name{Local: name + "Fault"}, Attr: []vimxml.Attr{
		{Name: vimxml.Name{Local: "xmlns"}, Value: vimNamespace},
		{Name: vimxml.Name{Local: "xsi:type"}, Value: name}}}
	if err := vimxml.NewEncoder(&detail).EncodeElement(fault, start); err != nil {
		log.Printf("encoding a fault: %v", err)
	}
	var escaped bytes.Buffer
	xml.EscapeText(&escaped, []byte(text))
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" `+
		`xmlns:xsi="%s"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring>`+
		`<detail>%s</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`, xsiNamespace, escaped.String(), detail.String())
}
