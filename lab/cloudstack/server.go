package main

import (
	"encoding/json"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"

	"migratekit/lab/internal/watch"
)

// command is the implementation behind one entry of the metadata. Exactly one of the functions is set; all run
// with the cloud's lock held.
type command struct {
	adminOnly bool
	list      func(*call) ([]object, error) // paged answer
	object    func(*call) (object, error)   // one object, or the fields of a success answer
	async     func(*call) (*task, error)    // checks done before the answer; the task is the job
}

// call is one authenticated request.
type call struct {
	*cloud
	name string
	meta *apiCommand
	p    *params
	who  *account

	holdAt string // point at which a job of this command is held
}

func (k *call) admin() bool { return k.who.Admin }

// answer is what goes back to the client.
type answer struct {
	status int
	body   object
}

func commandTable() map[string]*command {
	table := map[string]*command{}
	for _, part := range []map[string]*command{
		zoneCommands(), accountCommands(), offeringCommands(), templateCommands(), networkCommands(), storageCommands(),
		capabilityCommands(), eventCommands(), jobCommands(), tagCommands(), volumeCommands(), volumeAttachCommands(),
		snapshotCommands(), machineCommands(), machineLifeCommands(), vmSnapshotCommands(), nicCommands(), discoveryCommands(),
	} {
		for name, entry := range part {
			table[name] = entry
		}
	}
	return table
}

// ServeHTTP answers /client/api.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.isDown() {
		panic(http.ErrAbortHandler)
	}
	if err := r.ParseForm(); err != nil {
		writeAnswer(w, errorAnswer("errorresponse", refuse(codeBadRequest, "the request cannot be parsed")))
		return
	}
	name := firstOf(r.Form, "command")
	plan := c.faults.forCommand(name)
	if plan.dropRequest {
		panic(http.ErrAbortHandler)
	}
	pause(r.Context().Done(), plan.delay)
	c.holdRequest(r, name, plan)
	arrived := time.Now().UTC()
	reply := c.handle(r.Method, r.Form, plan)
	c.calls.Add(watch.Call{Command: name, Object: subjectOf(r.Form), At: arrived, Changing: changesState(name),
		Job: c.isJob(name), Status: reply.status})
	c.holdAnswer(r, name, plan)
	if plan.dropAnswer {
		log.Printf("fault: answer of %s dropped after executing", name)
		panic(http.ErrAbortHandler)
	}
	if c.isDown() {
		panic(http.ErrAbortHandler)
	}
	log.Printf("%s %s -> %d", r.Method, name, reply.status)
	writeAnswer(w, reply)
}

func (c *cloud) isDown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.downUntil)
}

// pause waits, at most until done is closed.
func pause(done <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// firstOf reads a parameter whose name may be written in any case.
func firstOf(form url.Values, name string) string {
	for key := range form {
		if strings.EqualFold(key, name) {
			return form.Get(key)
		}
	}
	return ""
}

func writeAnswer(w http.ResponseWriter, reply answer) {
	raw, err := json.Marshal(reply.body)
	if err != nil {
		log.Printf("answer cannot be encoded: %v", err)
		reply.status, raw = codeInternal, []byte(`{"errorresponse":{"uuidList":[],"errorcode":530,"cserrorcode":9999,"errortext":"answer cannot be encoded"}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(reply.status)
	if _, err := w.Write(raw); err != nil {
		log.Printf("client went away: %v", err)
	}
}

func errorAnswer(key string, e *apiError) answer {
	fields := object{"uuidList": []string{}, "errorcode": e.code, "errortext": e.text}
	if e.cs != 0 {
		fields["cserrorcode"] = e.cs
	}
	return answer{status: e.code, body: object{key: fields}}
}

// handle runs the checks in the order of the real server: command known, key and user known and enabled, rate limit
// and role, signature, parameters.
func (c *cloud) handle(method string, form url.Values, plan commandPlan) answer {
	name := firstOf(form, "command")
	if name == "" {
		return errorAnswer("errorresponse", refuse(codeBadRequest, "No command sent"))
	}
	meta := c.meta.commands[name]
	if meta == nil {
		return errorAnswer("errorresponse", refuse(codeUnauthorized, "unable to verify user credentials and/or request signature"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	who, err := c.authenticate(meta, method, form, plan)
	if err == nil && plan.fail != nil {
		err = plan.fail
	}
	var reply answer
	if err == nil {
		reply, err = c.execute(&call{cloud: c, name: name, meta: meta, who: who, holdAt: plan.holdAt}, form)
	}
	if err != nil {
		e := asAPIError(err)
		key := meta.ResponseKey
		if e.code == codeUnsupported {
			key = "errorresponse"
		}
		return errorAnswer(key, e.visibleTo(who == nil || who.Admin))
	}
	return reply
}

// execute unpacks and checks parameters, then runs the command; mu is held.
func (c *cloud) execute(k *call, form url.Values) (answer, error) {
	p, err := unpack(form)
	if err != nil {
		return answer{}, err
	}
	k.p = p
	if err := k.meta.checkParams(p); err != nil {
		return answer{}, err
	}
	if err := k.resolveAll(); err != nil {
		return answer{}, err
	}
	if err := k.checkPlayed(); err != nil {
		return answer{}, err
	}
	entry := c.table[k.name]
	if changesState(k.name) {
		defer c.save()
	}
	switch {
	case entry.list != nil:
		return k.answerList(entry)
	case entry.async != nil:
		return k.answerJob(entry)
	}
	fields, err := entry.object(k)
	if err != nil {
		return answer{}, err
	}
	if err := k.strict(fields); err != nil {
		return answer{}, err
	}
	if k.meta.Object != "" {
		fields = object{k.meta.Object: fields}
	}
	return answer{status: http.StatusOK, body: object{k.meta.ResponseKey: fields}}, nil
}

// strict refuses to send what the metadata does not have, so that no client can be built on an invention of ours.
func (k *call) strict(o object) error { return k.cloud.strictFor(k.meta, o) }

func (c *cloud) strictFor(meta *apiCommand, o object) error {
	wrong := meta.checkAnswer(o)
	if len(wrong) == 0 {
		return nil
	}
	log.Printf("STRICT: %s", strings.Join(wrong, "; "))
	c.violations = append(c.violations, wrong...)
	return internal("the simulator tried to answer fields that are not in the metadata: %s", strings.Join(wrong, "; "))
}
