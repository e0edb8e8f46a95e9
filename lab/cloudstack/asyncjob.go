package main

import "time"

func jobCommands() map[string]*command {
	return map[string]*command{
		"queryAsyncJobResult": {object: queryAsyncJobResult},
		"listAsyncJobs":       {list: listAsyncJobs},
	}
}

func queryAsyncJobResult(k *call) (object, error) {
	j := k.st.job(k.p.str("jobid"))
	if err := k.mayUse(j.Account); err != nil {
		return nil, err
	}
	return k.jobView(j), nil
}

func listAsyncJobs(k *call) ([]object, error) {
	var since time.Time
	if text := k.p.str("startdate"); text != "" {
		var err error
		if since, err = parseDate(text); err != nil {
			return nil, invalid("Unable to parse date %s for parameter startdate", text)
		}
	}
	var found []object
	for _, j := range k.st.Jobs {
		if k.sees(j.Account) && !j.Created.Before(since) {
			found = append(found, k.jobView(j))
		}
	}
	return found, nil
}

// jobView: jobresult is absent while the job is pending and where the result was lost.
func (k *call) jobView(j *job) object {
	o := object{
		"jobid": j.ID, "jobstatus": j.Status, "jobprocstatus": 0, "jobresultcode": j.ResultCode, "cmd": j.Class,
		"created": stamp(j.Created), "accountid": j.Account,
	}
	if j.InstanceID != "" {
		o["jobinstancetype"], o["jobinstanceid"] = j.InstanceType, j.InstanceID
	}
	if a := k.st.account(j.Account); a != nil {
		o["userid"] = a.UserID
	}
	if j.Status != jobPending {
		o["completed"] = stamp(j.Completed)
	}
	if j.Result != nil {
		o["jobresult"], o["jobresulttype"] = object(j.Result), "object"
	}
	return o
}

// parseDate reads the forms that date parameters may have.
func parseDate(text string) (time.Time, error) {
	var err error
	for _, layout := range []string{"2006-01-02T15:04:05-0700", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05", "2006-01-02"} {
		var at time.Time
		if at, err = time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, err
}
