package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"strings"
	"time"
)

// task is what an asynchronous command leaves to its job. The functions run one after the other in the job's turn:
//
//	check   lock held: the checks that CloudStack makes inside the job; sets transitional states
//	work    no lock: the slow part on the "KVM host"
//	commit  lock held, always called after a successful check: final states; err is what work returned
//	abandon lock held, called instead when the job fails before or in its check: what was allocated is given up
type task struct {
	instanceType string
	instanceID   string
	creates      bool   // the answer carries the id of what is created
	vm           string // jobs of one machine run one at a time
	check        func() error
	work         func(*jobRun) error
	commit       func(err error) (object, error)
	abandon      func()
}

// jobRun is the environment of a running job.
type jobRun struct {
	c    *cloud
	ctx  context.Context // ends when the management server dies
	job  *job
	plan jobPlan
	hold string // point at which the command is held
}

// errServerDied ends a job whose management server is gone: nothing more may be written on its behalf.
var errServerDied = errors.New("management server died")

// locked runs f with the lock, unless the server that the job belongs to has died.
func (r *jobRun) locked(f func() error) error {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.ctx.Err() != nil {
		return errServerDied
	}
	err := f()
	r.c.save()
	return err
}

// step waits the least time that a step takes, so that clients can see the state it left.
func (r *jobRun) step() {
	r.c.mu.Lock()
	d := r.c.st.settingMillis("lab.job.step.ms")
	r.c.mu.Unlock()
	pause(r.ctx.Done(), d)
}

// phase changes states in the middle of a job's work and lets them be seen.
func (r *jobRun) phase(f func()) error {
	err := r.locked(func() error { f(); return nil })
	r.step()
	return err
}

// vmQueue lets the jobs of one machine run one at a time, in the order they came.
type vmQueue struct {
	busy    bool
	waiting []chan struct{}
}

// takeTurn waits for the machine's queue; the returned function gives the turn to the next. mu is not held.
func (c *cloud) takeTurn(ctx context.Context, queues map[string]*vmQueue, vm string) func() {
	if vm == "" {
		return func() {}
	}
	c.mu.Lock()
	q := queues[vm]
	if q == nil {
		q = &vmQueue{}
		queues[vm] = q
	}
	var turn chan struct{}
	if q.busy {
		turn = make(chan struct{})
		q.waiting = append(q.waiting, turn)
	}
	q.busy = true
	c.mu.Unlock()
	if turn != nil {
		select {
		case <-turn:
		case <-ctx.Done():
		}
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(q.waiting) == 0 {
			q.busy = false
			return
		}
		close(q.waiting[0])
		q.waiting = q.waiting[1:]
	}
}

// answerJob makes the job and answers its id; mu is held.
func (k *call) answerJob(entry *command) (answer, error) {
	t, err := entry.async(k)
	if err != nil {
		return answer{}, err
	}
	j := &job{
		ID: newUUID(), Command: k.name, Class: commandClass(k.name), Account: k.who.ID,
		InstanceType: t.instanceType, InstanceID: t.instanceID, Created: time.Now().UTC(),
	}
	k.st.Jobs = append(k.st.Jobs, j)
	k.startJob(j, t, k.holdAt)
	fields := object{"jobid": j.ID}
	if t.creates {
		fields["id"] = t.instanceID
	}
	return answer{status: http.StatusOK, body: object{k.meta.ResponseKey: fields}}, nil
}

// commandClass is the Java class name that queryAsyncJobResult shows as cmd.
func commandClass(name string) string {
	folder := "volume"
	switch {
	case strings.Contains(name, "VMSnapshot"):
		folder = "vmsnapshot"
	case strings.Contains(name, "Snapshot"):
		folder = "snapshot"
	case strings.Contains(name, "VirtualMachine"):
		folder = "vm"
	case strings.Contains(name, "Tags"):
		folder = "tag"
	case strings.Contains(name, "Network"):
		folder = "network"
	}
	return "org.apache.cloudstack.api.command.user." + folder + "." + strings.ToUpper(name[:1]) + name[1:] + "Cmd"
}

// startJob runs the task in its own goroutine; mu is held.
func (c *cloud) startJob(j *job, t *task, hold string) {
	r := &jobRun{c: c, ctx: c.life, job: j, plan: c.faults.forJob(j.Command), hold: hold}
	queues := c.queues
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		release := c.takeTurn(r.ctx, queues, t.vm)
		defer release()
		r.run(t)
	}()
}

// run carries the job through its steps; faults strike where their plan says.
func (r *jobRun) run(t *task) {
	if r.killAt("before") {
		return
	}
	if r.plan.fail != nil && !r.plan.failAfter {
		r.abandon(t, r.plan.fail)
		return
	}
	r.step()
	if t.check != nil {
		if err := r.locked(t.check); err != nil {
			r.abandon(t, err)
			return
		}
	}
	r.step()
	pause(r.ctx.Done(), r.plan.delay)
	r.heldAt("transitional")
	if r.killAt("checked") {
		return
	}
	var workErr error
	if t.work != nil {
		workErr = t.work(r)
	}
	if errors.Is(workErr, errServerDied) {
		return
	}
	r.heldAt("host")
	if r.killAt("worked") {
		return
	}
	var result object
	err := r.locked(func() (err error) { result, err = t.commit(workErr); return err })
	r.heldAt("answer")
	if r.killAt("done") {
		return
	}
	if err == nil && r.plan.fail != nil {
		err = r.plan.fail
	}
	r.finish(result, err)
}

// abandon fails a job that has not touched anything yet.
func (r *jobRun) abandon(t *task, err error) {
	if t.abandon != nil {
		_ = r.locked(func() error { t.abandon(); return nil })
	}
	r.finish(nil, err)
}

// heldAt stops the job at this point when its command is to be held there.
func (r *jobRun) heldAt(point string) {
	if r.hold == point {
		r.c.desk.Hold(r.job.Command, r.job.InstanceID, point, r.ctx.Done())
	}
}

// killAt kills the management server when the plan says that it dies at this point of this job.
func (r *jobRun) killAt(point string) bool {
	if r.plan.kill != point {
		return r.ctx.Err() != nil
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.ctx.Err() == nil {
		r.c.killManagement(r.plan.down)
	}
	return true
}

// finish stores the outcome. A plan may have the result lost, as the real serializer loses it for jobs cancelled by
// the server.
func (r *jobRun) finish(result object, err error) {
	_ = r.locked(func() error {
		j := r.job
		j.Completed = time.Now().UTC()
		level, status := "INFO", "Completed"
		switch {
		case r.plan.loseResult:
			j.Status, j.ResultCode, level = jobFailed, r.plan.lostCode, "ERROR"
		case err != nil:
			e := jobError(err)
			owner := r.c.st.account(j.Account)
			shown := e.visibleTo(owner == nil || owner.Admin)
			j.Status, j.ResultCode, level = jobFailed, e.code, "ERROR"
			j.Result = object{"uuidList": []string{}, "errorcode": e.code, "errortext": shown.text}
			log.Printf("job %s %s failed: %d %v", j.ID, j.Command, e.code, e)
		default:
			r.succeed(result)
		}
		r.c.st.record(event{Type: strings.ToUpper(j.Command), State: status, Level: level, Account: j.Account,
			Text: j.Command + " " + strings.ToLower(status), Resource: j.InstanceID, ResourceType: j.InstanceType})
		return nil
	})
}

// succeed stores a result, which must be in the metadata like any answer.
func (r *jobRun) succeed(result object) {
	j, meta := r.job, r.c.meta.commands[r.job.Command]
	if err := r.c.strictFor(meta, result); err != nil {
		e := asAPIError(err)
		j.Status, j.ResultCode = jobFailed, e.code
		j.Result = object{"uuidList": []string{}, "errorcode": e.code, "errortext": e.text}
		return
	}
	j.Status, j.Result = jobDone, result
	if meta.Object != "" {
		j.Result = object{meta.Object: result}
	}
}

// jobError keeps the codes that survive inside a job: an invalid parameter is 431, a missing permission becomes 530
// like any other exception; codes that the command itself raised (533, 534, ...) stay.
func jobError(err error) *apiError {
	e := asAPIError(err)
	if e.code == codeDenied {
		return internal("%s", e.text)
	}
	return e
}

// failUnfinishedJobs is what a restart does to jobs of the server that died: failed, and no result at all.
func (c *cloud) failUnfinishedJobs() {
	for _, j := range c.st.Jobs {
		if j.Status == jobPending {
			j.Status, j.ResultCode, j.Completed = jobFailed, codeInternal, time.Now().UTC()
		}
	}
}

// ok is the result of commands that only report success.
func ok() object { return object{"success": true} }
