package main

import (
	"errors"
	"fmt"
)

// apiError is a refusal in CloudStack's own terms. The HTTP status (or the job's result code) equals code;
// cs is the "cserrorcode" that goes with it, 0 where CloudStack sends none (401).
type apiError struct {
	code int
	cs   int
	text string
}

func (e *apiError) Error() string { return e.text }

const (
	codeBadRequest   = 400
	codeUnauthorized = 401
	codeRateLimit    = 429
	codeMalformed    = 430
	codeParameter    = 431
	codeUnsupported  = 432
	codeUnavailable  = 503
	codeInternal     = 530
	codeDenied       = 531
	codeCapacity     = 533
	codeResource     = 534
	codeAllocation   = 535
	codeInUse        = 536
)

// csCode is the usual cserrorcode of each error code.
func csCode(code int) int {
	switch code {
	case codeUnauthorized:
		return 0
	case codeParameter:
		return 4350
	case codeInternal:
		return 4250
	case codeDenied:
		return 4365
	}
	return 9999
}

func refuse(code int, format string, args ...interface{}) *apiError {
	return &apiError{code: code, cs: csCode(code), text: fmt.Sprintf(format, args...)}
}

// invalid is a wrong parameter or an object in the wrong state (CloudStack's InvalidParameterValueException).
func invalid(format string, args ...interface{}) *apiError {
	return refuse(codeParameter, format, args...)
}

// internal is everything that goes wrong on the way (CloudRuntimeException).
func internal(format string, args ...interface{}) *apiError {
	return refuse(codeInternal, format, args...)
}

func denied(format string, args ...interface{}) *apiError { return refuse(codeDenied, format, args...) }

// asAPIError turns any error into one that can be answered.
func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return internal("%s", err.Error())
}

// genericText is what callers other than root administrators read instead of the text of 530, 533 and 534.
const genericText = "Internal error executing command, please contact your system administrator"

// visibleTo hides the text of server-side failures from ordinary users; the code stays.
func (e *apiError) visibleTo(admin bool) *apiError {
	if admin || (e.code != codeInternal && e.code != codeCapacity && e.code != codeResource) {
		return e
	}
	return &apiError{code: e.code, cs: e.cs, text: genericText}
}
