package main

import (
	"net/url"
	"testing"
	"time"
)

// The example of CloudStack's developer guide.
const (
	exampleKey    = "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM-kAYMmAiLqzzq1ElZLYq_u38zCm0bewzGUdP66mg"
	exampleSecret = "VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZKiy0z0ty0ZsYBkoXkY9b7eq1EhwJaw7FF3akA3KBQ"
	exampleResult = "TTpdDq/7j/J58XCRHomKoQXEQds="
)

func TestSignOfTheDeveloperGuide(t *testing.T) {
	form := url.Values{"apikey": {exampleKey}, "command": {"listUsers"}, "response": {"json"}}
	if got := sign(form, exampleSecret); got != exampleResult {
		t.Errorf("signature %s, want %s", got, exampleResult)
	}
}

func TestEncodeValueIsJavas(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "aZ09": "aZ09", ".-_*": ".-_*", "~": "%7E", " ": "%20", "+": "%2B", "/": "%2F", "ü": "%C3%BC", "%": "%25", "(!')": "%28%21%27%29",
	} {
		if got := encodeValue(value); got != want {
			t.Errorf("encodeValue(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestStringToSignSortsBeforeLowerCasing(t *testing.T) {
	form := url.Values{"command": {"X"}, "apiKey": {"K"}, "Zone": {"z"}, "details[0].cpuNumber": {"2"}, "signature": {"s"}, "SIGNATURE": {"s"}}
	if got, want := stringToSign(form), "zone=z&apikey=k&command=x&details[0].cpunumber=2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSignatureValid(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	make := func(version, expires string) url.Values {
		form := url.Values{"apikey": {exampleKey}, "command": {"listUsers"}}
		if version != "" {
			form.Set("signatureVersion", version)
		}
		if expires != "" {
			form.Set("expires", expires)
		}
		form.Set("signature", sign(form, exampleSecret))
		return form
	}
	for name, test := range map[string]struct {
		form    url.Values
		enforce bool
		want    bool
	}{
		"no version":               {make("", ""), false, true},
		"version 3":                {make("3", "2026-01-31T12:00:00Z"), false, true},
		"with offset":              {make("3", "2026-01-31T12:09:00+0000"), false, true},
		"legacy form":              {make("3", "2026-01-31T12:09:00Z+0000"), false, true},
		"another zone":             {make("3", "2026-01-31T13:00:00+0100"), false, true},
		"one second late":          {make("3", "2026-01-31T11:59:59Z"), false, false},
		"unreadable":               {make("3", "soon"), false, false},
		"without expires":          {make("3", ""), false, false},
		"enforced, no version":     {make("", ""), true, false},
		"enforced, 15 minutes":     {make("3", "2026-01-31T12:15:00Z"), true, true},
		"enforced, longer":         {make("3", "2026-01-31T12:15:01Z"), true, false},
		"expires of no version":    {make("", "2020-01-01T00:00:00Z"), false, true},
		"expires without enforced": {make("3", "2027-01-31T12:00:00Z"), false, true},
	} {
		rules := signatureRules{enforceTimestamps: test.enforce, now: now}
		if got := signatureValid(test.form, exampleSecret, rules); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		if signatureValid(test.form, "other", rules) {
			t.Errorf("%s: accepted with another secret", name)
		}
	}
}
