package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const badCredentials = "unable to verify user credentials and/or request signature"

// authenticate runs every check up to and including the signature; mu is held. The account is returned with an
// error too as soon as it is known, because ordinary users get generic texts.
func (c *cloud) authenticate(meta *apiCommand, method string, form url.Values, plan commandPlan) (*account, error) {
	who := c.accountByKey(firstOf(form, "apikey"))
	if who == nil || who.Disabled {
		return nil, refuse(codeUnauthorized, badCredentials)
	}
	if plan.early != nil {
		return who, plan.early
	}
	if err := c.throttled(who); err != nil {
		return who, err
	}
	entry := c.table[meta.Name]
	if entry == nil {
		return who, refuse(codeUnsupported, "The given command: %s is not available in this cloud", meta.Name)
	}
	if entry.adminOnly && !who.Admin {
		return who, refuse(codeUnauthorized, "The API [%s] does not exist or is not available for the account [%s].", meta.Name, who.Name)
	}
	enforce := c.st.settingOn("enforce.post.requests.and.timestamps")
	rules := signatureRules{enforceTimestamps: enforce, now: time.Now().Add(c.faults.clockSkew())}
	if !signatureValid(form, who.SecretKey, rules) {
		return who, refuse(codeUnauthorized, badCredentials)
	}
	if enforce && method != http.MethodPost && changesState(meta.Name) {
		return who, refuse(405, "State changing command %s should be invoked using POST request", meta.Name)
	}
	return who, nil
}

func changesState(name string) bool {
	for _, prefix := range []string{"list", "query", "get"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return true
}

func (c *cloud) accountByKey(key string) *account {
	if key == "" {
		return nil
	}
	for _, a := range c.st.Accounts {
		if a.APIKey == key {
			return a
		}
	}
	return nil
}

// throttle counts the calls of an account in the current interval.
type throttle struct {
	until time.Time
	count int64
}

// throttled is the rate limit of api.throttling.*; root administrators are exempt.
func (c *cloud) throttled(who *account) error {
	if who.Admin || !c.st.settingOn("api.throttling.enabled") {
		return nil
	}
	now := time.Now()
	t := c.throttles[who.ID]
	if t == nil || now.After(t.until) {
		t = &throttle{until: now.Add(time.Duration(c.st.settingInt("api.throttling.interval")) * time.Second)}
		c.throttles[who.ID] = t
	}
	t.count++
	if t.count > c.st.settingInt("api.throttling.max") {
		return rateLimit(time.Until(t.until))
	}
	return nil
}

func rateLimit(left time.Duration) *apiError {
	return refuse(codeRateLimit, "The given user has reached his/her account api limit, please retry after [%d] ms.", left.Milliseconds())
}
