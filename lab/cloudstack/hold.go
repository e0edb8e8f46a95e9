package main

import (
	"log"
	"net/http"
	"net/url"
)

// holdRequest stops a command that has arrived. One whose client is gone when it is released was never executed: so a
// test can kill a client exactly before its effect.
func (c *cloud) holdRequest(r *http.Request, name string, plan commandPlan) {
	if plan.holdAt != "request" {
		return
	}
	c.desk.HoldRequest(name, subjectOf(r.Form), plan.holdAt, r.Context().Done())
	if r.Context().Err() != nil {
		log.Printf("%s dropped: its client is gone", name)
		panic(http.ErrAbortHandler)
	}
}

// holdAnswer stops a command that was executed. What is left to do of an asynchronous one is its job's business: its
// answer is held at "accepted", its result at "answer".
func (c *cloud) holdAnswer(r *http.Request, name string, plan commandPlan) {
	if plan.holdAt == "accepted" || (plan.holdAt == "answer" && !c.isJob(name)) {
		c.desk.HoldRequest(name, subjectOf(r.Form), plan.holdAt, r.Context().Done())
	}
}

func (c *cloud) isJob(name string) bool {
	entry := c.table[name]
	return entry != nil && entry.async != nil
}

// subjectOf is what a command is about: the id that it names, or the name of what it makes.
func subjectOf(form url.Values) string {
	for _, parameter := range []string{"id", "volumeid", "virtualmachineid", "resourceids", "jobid", "name"} {
		if value := firstOf(form, parameter); value != "" {
			return value
		}
	}
	return ""
}
