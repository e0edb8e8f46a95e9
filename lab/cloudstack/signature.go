package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/url"
	"sort"
	"strings"
	"time"
)

// encodeValue is Java's URLEncoder (UTF-8) with '+' replaced by "%20", which is what the management server signs:
// A-Z a-z 0-9 . - _ * stay, everything else becomes a percent escape ('~' too).
func encodeValue(value string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		ch := value[i]
		switch {
		case 'A' <= ch && ch <= 'Z', 'a' <= ch && ch <= 'z', '0' <= ch && ch <= '9',
			ch == '.', ch == '-', ch == '_', ch == '*':
			b.WriteByte(ch)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[ch>>4])
			b.WriteByte(hexDigits[ch&15])
		}
	}
	return b.String()
}

// stringToSign joins all parameters except the signature. Names are ordered as sent, byte by byte, before anything
// is lower-cased, and are not encoded.
func stringToSign(form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		if !strings.EqualFold(name, "signature") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	parts := make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, name+"="+encodeValue(form.Get(name)))
	}
	return strings.ToLower(strings.Join(parts, "&"))
}

func sign(form url.Values, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(stringToSign(form)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// parseExpires reads the forms the server accepts: ...Z, ...+0000 and the legacy ...Z+0000.
func parseExpires(text string) (time.Time, error) {
	var err error
	for _, layout := range []string{"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z-0700"} {
		var at time.Time
		if at, err = time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, err
}

// signatureRules are the switches that tighten the check.
type signatureRules struct {
	enforceTimestamps bool // enforce.post.requests.and.timestamps
	now               time.Time
}

// The longest validity that is accepted when time stamps are enforced.
const longestExpiry = 15 * time.Minute

// signatureValid checks signature, version and expiry; it never says which of them was wrong, as the server does not.
func signatureValid(form url.Values, secret string, rules signatureRules) bool {
	var given, version, expires string
	for name := range form {
		switch strings.ToLower(name) {
		case "signature":
			given = form.Get(name)
		case "signatureversion":
			version = form.Get(name)
		case "expires":
			expires = form.Get(name)
		}
	}
	if version == "3" {
		at, err := parseExpires(expires)
		if err != nil || rules.now.After(at) {
			return false
		}
		if rules.enforceTimestamps && at.After(rules.now.Add(longestExpiry)) {
			return false
		}
	} else if rules.enforceTimestamps {
		return false
	}
	return given != "" && hmac.Equal([]byte(given), []byte(sign(form, secret)))
}
