package watch

import (
	"fmt"
	"strconv"
	"time"
)

// longestWait keeps a forgotten question from holding a connection for ever.
const longestWait = 60 * time.Second

// Operate answers the operations of the side channel that both simulators have; known is false for any other.
//
//	hold_wait     ms (default 8000)   until a command is held: {"held": [...]}, empty when none is in time
//	hold_release                      lets all of them go on; {"held": [...]} is what was held
//	commands      changing, reset     {"commands": [...]}: all, or only those that change something; then forgets them
func Operate(desk *Desk, calls *Calls, name string, values map[string]string) (answer map[string]interface{}, known bool, err error) {
	switch name {
	case "hold_wait":
		limit := 8 * time.Second
		if text, given := values["ms"]; given {
			ms, err := strconv.Atoi(text)
			if err != nil || ms < 0 {
				return nil, true, fmt.Errorf("ms must be a number of milliseconds, not %q", text)
			}
			limit = time.Duration(ms) * time.Millisecond
		}
		if limit > longestWait {
			limit = longestWait
		}
		return map[string]interface{}{"held": desk.Wait(limit)}, true, nil
	case "hold_release":
		return map[string]interface{}{"held": desk.Release()}, true, nil
	case "commands":
		list := calls.List(values["changing"] == "true", values["reset"] == "true")
		return map[string]interface{}{"commands": list}, true, nil
	}
	return nil, false, nil
}
